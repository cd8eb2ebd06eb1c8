import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { me, tenants } from '../api/queries'

/** What who is signed in may do. */
export function useCan(): (right: string) => boolean {
  const { data } = useQuery(me)
  return (right) => data?.rights.includes(right) ?? false
}

/** The tenant that is chosen; all where none is. */
export function useTenant(): string | undefined {
  const search = useSearch({ strict: false }) as { tenant?: string }
  return search.tenant
}

export function useTenants() {
  return useQuery(tenants)
}
