// What the pages ask, each with its key, so that what has changed can be asked for anew.

import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { ApiError, call } from './request'
import type { Schedule, Snapshot, VaultStats } from './types'

/** Entries of a page of a long list. */
const PAGE = 1000
/** How long what is shown may be old, in milliseconds. */
const FRESH = 15_000

export function retry(count: number, error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  return count < 2 && (error.code === 'unreachable' || error.code === 'later')
}

/** Asks for all pages of a list. */
async function all<T>(page: (after: string | undefined) => Promise<{ entries: T[]; next?: string | null }>) {
  const found: T[] = []
  let after: string | undefined
  do {
    const answer = await page(after)
    found.push(...answer.entries)
    after = answer.next ?? undefined
  } while (after !== undefined)
  return found
}

export const me = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => call('get', '/api/v1/session', { signal }),
  staleTime: Number.POSITIVE_INFINITY,
})

export const tenants = queryOptions({
  queryKey: ['tenants'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/tenants', { signal })).entries,
  staleTime: FRESH,
})

export const resources = (tenant?: string) =>
  queryOptions({
    queryKey: ['resources', tenant],
    queryFn: ({ signal }) =>
      all((after) => call('get', '/api/v1/resources', { query: { tenant, after, limit: PAGE }, signal })),
    staleTime: FRESH,
  })

export const resource = (tenant: string, id: string) =>
  queryOptions({
    queryKey: ['resource', tenant, id],
    queryFn: ({ signal }) =>
      call('get', '/api/v1/resources/{resource}', { path: { resource: id }, query: { tenant }, signal }),
    staleTime: FRESH,
  })

export const overview = queryOptions({
  queryKey: ['overview'],
  queryFn: ({ signal }) => call('get', '/api/v1/overview', { signal }),
  staleTime: FRESH,
})

export const objectives = (tenant?: string) =>
  queryOptions({
    queryKey: ['objectives', tenant],
    queryFn: async ({ signal }) =>
      (await call('get', '/api/v1/objectives', { query: { tenant }, signal })).entries,
    staleTime: FRESH,
  })

/** The snapshots in which a resource changed: its restore points, oldest first. */
export const restorePoints = (name: string | undefined) =>
  queryOptions({
    queryKey: ['restore points', name],
    enabled: name !== undefined,
    queryFn: ({ signal }) =>
      all<Snapshot>((after) =>
        call('get', '/api/v1/snapshots', { query: { resource: name, after, limit: PAGE }, signal }),
      ),
    staleTime: FRESH,
  })

export interface Place {
  tenant: string
  resource: string
  at?: string
  path?: string
}

export const items = ({ tenant, resource, at, path }: Place) =>
  infiniteQueryOptions({
    queryKey: ['items', tenant, resource, at, path],
    queryFn: ({ signal, pageParam }) =>
      call('get', '/api/v1/resources/{resource}/items', {
        path: { resource },
        query: { tenant, at, path, after: pageParam, limit: PAGE },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: FRESH,
  })

export const history = (tenant: string, resource: string, item: string) =>
  queryOptions({
    queryKey: ['history', tenant, resource, item],
    queryFn: ({ signal }) =>
      call('get', '/api/v1/resources/{resource}/history', {
        path: { resource },
        query: { tenant, item },
        signal,
      }),
    staleTime: FRESH,
  })

/** What a message says. Asking is on record as reading it, so it is not asked for again and again. */
export const preview = ({ tenant, resource, at, path = '' }: Place) =>
  queryOptions({
    queryKey: ['preview', tenant, resource, at, path],
    queryFn: ({ signal }) =>
      call('get', '/api/v1/resources/{resource}/preview', {
        path: { resource },
        query: { tenant, at, path },
        signal,
      }),
    staleTime: 300_000,
  })

export const storedVersions = ({ tenant, resource, at, path = '' }: Place) =>
  queryOptions({
    queryKey: ['versions', tenant, resource, at, path],
    queryFn: async ({ signal }) =>
      (
        await call('get', '/api/v1/resources/{resource}/versions', {
          path: { resource },
          query: { tenant, at, path },
          signal,
        })
      ).entries,
    staleTime: FRESH,
  })

export interface Find {
  query: string
  tenant?: string
  resource?: string
  deleted?: boolean
}

export const hits = (find: Find) =>
  queryOptions({
    queryKey: ['search', find],
    enabled: find.query.trim() !== '',
    queryFn: ({ signal }) => call('get', '/api/v1/search', { query: { ...find, limit: PAGE }, signal }),
    staleTime: FRESH,
  })

export interface JobFilter {
  tenant?: string
  state?: string
  kind?: string
}

export const jobs = (filter: JobFilter) =>
  infiniteQueryOptions({
    queryKey: ['jobs', filter],
    queryFn: ({ signal, pageParam }) =>
      call('get', '/api/v1/jobs', { query: { ...filter, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: FRESH,
  })

export const job = (id: string) =>
  queryOptions({
    queryKey: ['job', id],
    queryFn: ({ signal }) => call('get', '/api/v1/jobs/{id}', { path: { id }, signal }),
  })

export const schedules = (tenant?: string) =>
  queryOptions({
    queryKey: ['schedules', tenant],
    queryFn: async ({ signal }) =>
      (await call('get', '/api/v1/schedules', { query: { tenant }, signal }))
        .entries as unknown as Schedule[],
    staleTime: FRESH,
  })

export const vaults = queryOptions({
  queryKey: ['vaults'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/vaults', { signal })).entries,
  staleTime: FRESH,
})

export const vaultStats = (vault: string) =>
  queryOptions({
    queryKey: ['vault stats', vault],
    queryFn: async ({ signal }) =>
      (await call('get', '/api/v1/vaults/{vault}/stats', {
        path: { vault },
        signal,
      })) as unknown as VaultStats,
    staleTime: FRESH,
  })

export const system = queryOptions({
  queryKey: ['system'],
  queryFn: ({ signal }) => call('get', '/api/v1/system', { signal }),
  staleTime: FRESH,
})

export const findings = queryOptions({
  queryKey: ['findings'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/system/findings', { signal })).entries,
  staleTime: 60_000,
})

export const users = queryOptions({
  queryKey: ['users'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/users', { signal })).entries,
  staleTime: FRESH,
})

export const user = (id: string) =>
  queryOptions({
    queryKey: ['user', id],
    queryFn: ({ signal }) => call('get', '/api/v1/users/{id}', { path: { id }, signal }),
    staleTime: FRESH,
  })

export const userSessions = (id: string) =>
  queryOptions({
    queryKey: ['user sessions', id],
    queryFn: async ({ signal }) =>
      (await call('get', '/api/v1/users/{id}/sessions', { path: { id }, signal })).entries,
  })

export const roles = queryOptions({
  queryKey: ['roles'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/roles', { signal })).entries,
  staleTime: Number.POSITIVE_INFINITY,
})

export const tokens = queryOptions({
  queryKey: ['tokens'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/tokens', { signal })).entries,
})

export const sessions = queryOptions({
  queryKey: ['sessions'],
  queryFn: async ({ signal }) => (await call('get', '/api/v1/session/all', { signal })).entries,
})

export interface AuditFilter {
  since?: string
  until?: string
  actor?: string
  action?: string
  outcome?: string
  resource?: string
  tenant?: string
}

export const audit = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ signal, pageParam }) =>
      call('get', '/api/v1/audit', { query: { ...filter, after: pageParam }, signal }),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (last) => (last.next ? Number(last.next) : undefined),
    staleTime: FRESH,
  })
