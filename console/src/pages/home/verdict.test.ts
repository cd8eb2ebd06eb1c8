import { expect, test } from 'vitest'
import type { Attained } from '../../api/types'
import { byWorkload, judge } from './verdict'

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
  const verdict = judge(
    [one('a', 'kept', 2), one('b', 'kept', 5)],
    [{ subject: 'key', ok: true, detail: '' }],
  )
  expect(verdict.safe).toBe(true)
  expect(verdict.worst?.name).toBe('b')
})

test('nothing protected is not safe', () => {
  expect(judge([], []).safe).toBe(false)
})

test('one overdue, one without restore point, one fault: each breaks it', () => {
  expect(judge([one('a', 'kept', 2), one('b', 'missed', 30)], []).safe).toBe(false)
  expect(judge([one('a', 'kept', 2), one('b', 'first', null)], []).safe).toBe(false)
  expect(judge([one('a', 'kept', 2)], [{ subject: 'key', ok: false, detail: '' }]).safe).toBe(false)
})

test('what is latest comes first; what is gone counts neither way', () => {
  const verdict = judge(
    [one('a', 'missed', 30), one('b', 'missed', 90), one('c', 'unavailable', 900), one('d', 'kept', 1)],
    [],
  )
  expect(verdict.overdue.map(({ name }) => name)).toEqual(['b', 'a'])
  expect(verdict.worst?.name).toBe('b')
  expect(verdict.unavailable).toHaveLength(1)
})

test('kinds are counted', () => {
  const shares = byWorkload([
    one('a', 'kept', 2),
    one('b', 'missed', 30),
    { ...one('c', 'kept', 1), workload: 'onedrive' },
  ])
  expect(shares).toEqual([
    { workload: 'exchange', total: 2, kept: 1, oldest: 30 * HOUR },
    { workload: 'onedrive', total: 1, kept: 1, oldest: HOUR },
  ])
})
