// What the maintenance of a vault came to: one word, and the figures of all shards together.

import type { MaintenanceReport } from '../../api/types'

export const MAINTENANCE = ['check', 'prune', 'repair', 'copy']

type Shard = MaintenanceReport['shards'][number]
export type Figure = [key: string, value: number, bytes?: 'bytes']

const list = <T>(value: unknown): T[] => (Array.isArray(value) ? (value as T[]) : [])

/** Snapshots that go, or would. */
export function going({ shards }: MaintenanceReport): { id: string; time: string; verdict: string }[] {
  return shards
    .flatMap(({ snapshots }) => list<{ id: string; time: string; verdict: string }>(snapshots))
    .filter(({ verdict }) => verdict !== 'kept')
}

export function damage(report: MaintenanceReport): number {
  const of = ({ damaged, damaged_more = 0 }: Shard) => list(damaged).length + damaged_more
  return report.shards.reduce((sum, shard) => sum + of(shard), 0)
}

/** Everything that is said to be wrong, one line each. */
export function faults({ shards, control_errors = [], failures = [] }: MaintenanceReport): string[] {
  const failed = failures.map(({ shard, message }) => `${shard}: ${message}`)
  return [...control_errors, ...shards.flatMap(({ errors }) => list<string>(errors)), ...failed]
}

/** What a job came to: what the server says, for maintenance what follows from its report. */
export function outcomeOf(kind: string, result: object | null | undefined): string | undefined {
  if (!result) return undefined
  if (!MAINTENANCE.includes(kind)) return (result as { outcome?: string }).outcome
  const report = result as MaintenanceReport
  const bad = damage(report) + faults(report).length > 0
  if (!bad) return 'complete'
  return kind === 'check' ? 'damaged' : 'partial'
}

const packs = ({ packs }: Shard) => (typeof packs === 'object' ? packs : undefined)
const FIGURES: Record<string, [key: string, of: (shard: Shard) => number, bytes?: 'bytes'][]> = {
  check: [
    ['snapshots', ({ snapshots }) => (typeof snapshots === 'number' ? snapshots : 0)],
    ['packs', ({ packs }) => (typeof packs === 'number' ? packs : 0)],
    ['packsRead', ({ packs_read = 0 }) => packs_read],
    ['size', ({ bytes = 0 }) => bytes, 'bytes'],
  ],
  prune: [
    [
      'kept',
      ({ snapshots }) => list<{ verdict: string }>(snapshots).filter((s) => s.verdict === 'kept').length,
    ],
    [
      'waits',
      ({ snapshots }) => list<{ verdict: string }>(snapshots).filter((s) => s.verdict === 'waits').length,
    ],
    ['freed', ({ data }) => data?.bytes_freed ?? 0, 'bytes'],
    ['freedLater', ({ data }) => data?.bytes_freed_later ?? 0, 'bytes'],
  ],
  repair: [
    ['packsDamaged', (shard) => packs(shard)?.packs_damaged.length ?? 0],
    ['fromOther', (shard) => packs(shard)?.blobs_restored ?? 0],
    ['lost', (shard) => packs(shard)?.blobs_lost.length ?? 0],
    ['askedAgain', ({ asked_again = 0 }) => asked_again],
  ],
  copy: [
    ['copied', ({ snapshots_copied = 0 }) => snapshots_copied],
    ['present', ({ snapshots_present = 0 }) => snapshots_present],
    ['bytesCopied', ({ bytes_copied = 0 }) => bytes_copied, 'bytes'],
  ],
}

export function figures(kind: string, report: MaintenanceReport): Figure[] {
  const of = FIGURES[kind] ?? []
  const sums = of.map(
    ([key, value, bytes]): Figure => [
      key,
      report.shards.reduce((sum, shard) => sum + value(shard), 0),
      bytes,
    ],
  )
  if (kind === 'prune') return [[report.dry_run ? 'wouldGo' : 'gone', forgotten(report)], ...sums]
  return kind === 'copy' ? sums : [...sums, ['damaged', damage(report)]]
}

function forgotten(report: MaintenanceReport): number {
  if (report.dry_run) return going(report).filter(({ verdict }) => verdict === 'forgotten').length
  return report.shards.reduce((sum, shard) => sum + (shard.snapshots_removed?.forgotten.length ?? 0), 0)
}
