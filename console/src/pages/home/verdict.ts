// Are we safe? Counted from what the server says of each resource.

import type { Attained, Finding } from '../../api/types'

export interface Verdict {
  protected: Attained[]
  /** The newest restore point is older than the objective. */
  overdue: Attained[]
  /** No restore point yet. */
  unprotected: Attained[]
  /** Cannot be read any more: what is stored stays. */
  unavailable: Attained[]
  /** The oldest of all newest restore points, in milliseconds. */
  worst?: Attained
  faults: Finding[]
  safe: boolean
}

export function judge(resources: Attained[], findings: Finding[]): Verdict {
  const of = (standing: string) => resources.filter((resource) => resource.standing === standing)
  const overdue = of('missed').sort((a, b) => lateness(b) - lateness(a))
  const unprotected = of('first')
  const faults = findings.filter(({ ok }) => !ok)
  const counted = resources.filter(
    ({ standing, attained_ms }) => standing !== 'unavailable' && attained_ms != null,
  )
  const worst = counted.reduce<Attained | undefined>(
    (oldest, one) => ((one.attained_ms ?? 0) > (oldest?.attained_ms ?? -1) ? one : oldest),
    undefined,
  )
  return {
    protected: of('kept'),
    overdue,
    unprotected,
    unavailable: of('unavailable'),
    worst,
    faults,
    safe: resources.length > 0 && overdue.length + unprotected.length + faults.length === 0,
  }
}

/** How far the newest restore point is past the objective, in milliseconds. */
export function lateness({ attained_ms, objective_ms }: Attained): number {
  return (attained_ms ?? 0) - objective_ms
}

export interface Share {
  workload: string
  total: number
  kept: number
  oldest?: number
}

export function byWorkload(resources: Attained[]): Share[] {
  const shares = new Map<string, Share>()
  for (const { workload, standing, attained_ms } of resources) {
    const share = shares.get(workload) ?? { workload, total: 0, kept: 0 }
    share.total += 1
    if (standing === 'kept') share.kept += 1
    if (attained_ms != null) share.oldest = Math.max(share.oldest ?? 0, attained_ms)
    shares.set(workload, share)
  }
  return [...shares.values()].sort((a, b) => a.workload.localeCompare(b.workload))
}
