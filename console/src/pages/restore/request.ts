// What is asked of the server, and the command that asks the same.

import type { Resource, RestoreBody, RestoreReport } from '../../api/types'
import { command } from '../../ui/cli'

export type Rule = 'skip' | 'copy' | 'replace'

export interface What {
  row: Resource
  at?: string
  /** What is to come back; `undefined` is the whole resource. */
  paths: (string | undefined)[]
}

export interface Target {
  /** Another resource; `undefined` is the one it came from. */
  to?: string
  into?: string
  rule: Rule
  permissions: boolean
}

export function bodies({ row, at, paths }: What, target: Target, dryRun: boolean): RestoreBody[] {
  return paths.map((path) => ({
    tenant: row.tenant,
    resource: row.id,
    at,
    path,
    to: target.to,
    into: target.into,
    on_conflict: target.rule,
    permissions: target.permissions,
    dry_run: dryRun,
  }))
}

export function commands({ row, at, paths }: What, target: Target, toName: string | undefined): string {
  return paths
    .map((path) =>
      command(
        'holdfast',
        'restore',
        '--tenant',
        row.tenant,
        '--resource',
        row.name,
        ...option('--at', at),
        ...option('--path', path),
        ...option('--to', toName),
        ...option('--into', target.into),
        ...(target.rule === 'skip' ? [] : ['--on-conflict', target.rule]),
        target.permissions && '--permissions',
      ),
    )
    .join('\n')
}

function option(name: string, value: string | undefined): string[] {
  return value ? [name, value] : []
}

export interface Sum {
  restored: number
  unchanged: number
  conflicting: number
  skipped: number
  failed: number
  bytes: number
  losses: Record<string, number>
  items: { path: string; result: string; detail?: string }[]
}

/** What several restores came to, together. */
export function sum(reports: RestoreReport[]): Sum {
  const all: Sum = {
    restored: 0,
    unchanged: 0,
    conflicting: 0,
    skipped: 0,
    failed: 0,
    bytes: 0,
    losses: {},
    items: [],
  }
  for (const report of reports) {
    all.restored += report.items_restored
    all.unchanged += report.items_unchanged
    all.conflicting += report.items_conflicting
    // Of those that were left out, the two above are told apart.
    all.skipped += report.items_skipped - report.items_unchanged - report.items_conflicting
    all.failed += report.items_failed
    all.bytes += report.bytes
    for (const [kind, many] of Object.entries(report.losses))
      all.losses[kind] = (all.losses[kind] ?? 0) + many
    all.items.push(...(report.items as Sum['items']))
  }
  return all
}
