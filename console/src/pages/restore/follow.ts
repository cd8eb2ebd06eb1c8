import { useMutation, useQueries } from '@tanstack/react-query'
import { job } from '../../api/queries'
import { call } from '../../api/request'
import type { JobDetail, RestoreReport } from '../../api/types'
import { bodies, type Target, type What } from './request'

/** How often jobs are asked for beside the stream of events, in milliseconds. */
const LOOK = 1_000

export function ended(state: string | undefined): boolean {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

/** Asks for a restore, as one job for each path, and follows them to their ends. */
export function useRestore(dryRun: boolean) {
  const ask = useMutation({
    mutationFn: async ({ what, target }: { what: What; target: Target }) => {
      const ids: string[] = []
      // One after the other: should one need a proof, it is asked for once.
      for (const body of bodies(what, target, dryRun))
        ids.push((await call('post', '/api/v1/restores', { body })).job)
      return [...new Set(ids)]
    },
  })
  const jobs = useQueries({
    queries: (ask.data ?? []).map((id) => ({
      ...job(id),
      refetchInterval: ({ state }: { state: { data?: JobDetail } }) =>
        ended(state.data?.state) ? (false as const) : LOOK,
    })),
  })
  const known = jobs.flatMap(({ data }) => (data ? [data] : []))
  return {
    ask: ask.mutate,
    reset: ask.reset,
    error: ask.error ?? jobs.find(({ error }) => error)?.error,
    asking: ask.isPending,
    asked: ask.data !== undefined,
    jobs: known,
    over:
      ask.data !== undefined && known.length === ask.data.length && known.every(({ state }) => ended(state)),
    reports: known.flatMap(({ result }) => (result ? [result as unknown as RestoreReport] : [])),
  }
}
