// Are we safe? Counted from what the server says.

import type { Attained, Finding, Overview } from '../../api/types'

/** How the resources stand; the last 24 hours are known for all tenants together only. */
export type Stand = Pick<Overview, 'resources' | 'attention' | 'worst'> & Partial<Pick<Overview, 'day'>>

export interface Verdict {
  stand: Stand
  total: number
  /** Overdue or without a restore point. */
  atRisk: number
  faults: Finding[]
  safe: boolean
}

export function judge(stand: Stand, findings: Finding[]): Verdict {
  const { kept, missed, first, unavailable } = stand.resources
  const faults = findings.filter(({ ok }) => !ok)
  const total = kept + missed + first + unavailable
  const atRisk = missed + first
  return { stand, total, atRisk, faults, safe: total > 0 && atRisk === 0 && faults.length === 0 }
}

/** The same of one tenant, from its list: the server adds up only all that one may see. */
export function standOf(resources: Attained[]): Stand {
  const of = (standing: string) => resources.filter((resource) => resource.standing === standing)
  const [missed, first] = [of('missed').sort((a, b) => lateness(b) - lateness(a)), of('first')]
  const readable = resources.filter(({ standing }) => standing !== 'unavailable')
  const worst = readable
    .filter(({ attained_ms }) => attained_ms != null)
    .sort((a, b) => (b.attained_ms ?? 0) - (a.attained_ms ?? 0))[0]
  return {
    resources: {
      kept: of('kept').length,
      missed: missed.length,
      first: first.length,
      unavailable: resources.length - readable.length,
    },
    attention: [...missed, ...first],
    worst,
  }
}

/** How far the newest restore point is past the objective, in milliseconds. */
export function lateness({ attained_ms, objective_ms }: Attained): number {
  return (attained_ms ?? 0) - objective_ms
}
