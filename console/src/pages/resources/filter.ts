import type { Attained, Resource } from '../../api/types'

export interface Filter {
  name?: string
  workload?: string
  standing?: string
}

export type Known = Resource & { attained?: Attained }

export function join(resources: Resource[], attained: Attained[]): Known[] {
  const by = new Map(attained.map((one) => [`${one.tenant}\n${one.id}`, one]))
  return resources.map((resource) => ({
    ...resource,
    attained: by.get(`${resource.tenant}\n${resource.id}`),
  }))
}

/** Text without case and without marks, so that `rybnickova` finds `Rybníčková`. */
export function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').replaceAll('ł', 'l').replaceAll('Ł', 'L').toLowerCase()
}

export function filter(known: Known[], { name, workload, standing }: Filter): Known[] {
  const words = fold(name ?? '')
    .split(/\s+/)
    .filter(Boolean)
  return known.filter((one) => {
    const text = fold(`${one.display_name} ${one.name}`)
    return (
      words.every((word) => text.includes(word)) &&
      (!workload || one.workload === workload) &&
      (!standing || standingOf(one) === standing)
    )
  })
}

/** One word for how a resource stands: why it is not read comes before whether it is late. */
export function standingOf({ status, stale, attained }: Known): string {
  if (status !== 'active') return status === 'skipped' ? 'skipped' : 'unavailable'
  if (attained?.standing === 'kept' && stale) return 'stale'
  return attained?.standing ?? 'unknown'
}
