import { expect, test } from 'vitest'
import type { Attained } from '../../api/types'
import { judge, standOf } from './verdict'

const HOUR = 3_600_000

function one(id: string, standing: string, hours: number | null): Attained {
  return {
    id: `exchange/${id}`,
    name: id,
    tenant: 'contoso',
    workload: 'exchange',
    schedule: 'default',
    rpo: '24h',
    objective_ms: 24 * HOUR,
    standing,
    attained_ms: hours === null ? null : hours * HOUR,
    due: '2026-01-01T00:00:00Z',
    points: 0,
    missed: 0,
  }
}

test('all kept and all checks good is safe', () => {
  const verdict = judge(standOf([one('a', 'kept', 2), one('b', 'kept', 5)]), [
    { subject: 'key', ok: true, detail: '' },
  ])
  expect(verdict.safe).toBe(true)
  expect(verdict.total).toBe(2)
  expect(verdict.stand.worst?.name).toBe('b')
})

test('nothing protected is not safe', () => {
  expect(judge(standOf([]), []).safe).toBe(false)
})

test('one overdue, one without restore point, one fault: each breaks it', () => {
  const safe = (other: Attained, ok = true) =>
    judge(standOf([one('a', 'kept', 2), other]), [{ subject: 'key', ok, detail: '' }]).safe
  expect(safe(one('b', 'kept', 3))).toBe(true)
  expect(safe(one('b', 'missed', 30))).toBe(false)
  expect(safe(one('b', 'first', null))).toBe(false)
  expect(safe(one('b', 'kept', 3), false)).toBe(false)
})

test('what is latest comes first; what is gone counts neither way', () => {
  const stand = standOf([
    one('f', 'first', null),
    one('a', 'missed', 30),
    one('b', 'missed', 90),
    one('c', 'unavailable', 900),
    one('d', 'kept', 1),
  ])
  expect(stand.attention.map(({ name }) => name)).toEqual(['b', 'a', 'f'])
  expect(stand.worst?.name).toBe('b')
  expect(stand.resources).toEqual({ kept: 1, missed: 2, first: 1, unavailable: 1 })
  expect(judge(stand, []).atRisk).toBe(3)
})
