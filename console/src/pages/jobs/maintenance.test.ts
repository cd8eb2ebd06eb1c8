import { expect, test } from 'vitest'
import type { MaintenanceReport } from '../../api/types'
import { figures, going, outcomeOf } from './maintenance'

const CHECK = { errors: 0, control_errors: [], shards: [{ shard: 1, packs: 4, packs_read: 2, bytes: 9 }] }
const judged = (id: string, verdict: string) => ({ id, time: '2026-01-01T00:00:00Z', verdict })
const PRUNE: MaintenanceReport = {
  dry_run: true,
  shards: [
    {
      shard: 1,
      snapshots: [judged('a', 'forgotten'), judged('b', 'waits'), judged('c', 'kept')],
      snapshots_removed: { forgotten: [], locked: [] },
      data: { bytes_freed: 5, bytes_freed_later: 7 },
    },
    { shard: 2, snapshots: [judged('d', 'forgotten')], data: { bytes_freed: 1, bytes_freed_later: 0 } },
  ],
}

test('a check that found damage is not complete', () => {
  expect(outcomeOf('check', CHECK)).toBe('complete')
  expect(outcomeOf('check', { ...CHECK, control_errors: ['x'] })).toBe('damaged')
  expect(outcomeOf('check', { ...CHECK, shards: [{ shard: 1, damaged: [{ resource: 'a' }] }] })).toBe(
    'damaged',
  )
  expect(outcomeOf('repair', { shards: [{ shard: 1, damaged: [], damaged_more: 1 }] })).toBe('partial')
  expect(outcomeOf('prune', { ...PRUNE, failures: [{ shard: 1, message: 'busy' }] })).toBe('partial')
})

test('what others came to is what the server says', () => {
  expect(outcomeOf('backup', { outcome: 'partial' })).toBe('partial')
  expect(outcomeOf('backup', null)).toBeUndefined()
})

test('a prune is added up over its shards', () => {
  expect(going(PRUNE).map(({ id }) => id)).toEqual(['a', 'b', 'd'])
  expect(figures('prune', PRUNE)).toEqual([
    ['wouldGo', 2],
    ['kept', 1, undefined],
    ['waits', 1, undefined],
    ['freed', 6, 'bytes'],
    ['freedLater', 7, 'bytes'],
  ])
})
