// What stands behind the `?` of an address: always plain strings, so that a link can be read and typed.

import * as z from 'zod/mini'

// Without it zod tries to make code from text, which the content security policy forbids.
z.config({ jitless: true })

export type Search = Record<string, string>

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text))
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') params.set(name, value)
  }
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

const text = z.catch(z.optional(z.string()), undefined)
const flag = z.catch(z.optional(z.literal('1')), undefined)
/** A time; anything else in its place is as if it were not there. */
const time = z.catch(z.optional(z.iso.datetime({ offset: true })), undefined)

export const shellSearch = z.object({ tenant: text })
export const signInSearch = z.object({ to: text })
export const resourcesSearch = z.object({ name: text, workload: text, standing: text })
export const resourceSearch = z.object({ at: time, path: text, item: text, view: text, find: text })
export const findSearch = z.object({ q: text, deleted: flag, resource: text })
export const jobsSearch = z.object({ state: text, kind: text })
export const usersSearch = z.object({ view: text })
export const auditSearch = z.object({
  since: text,
  until: text,
  actor: text,
  action: text,
  outcome: text,
  resource: text,
})

/** Where to go after sign-in: a path of this console, whatever the link says. */
export function safeTarget(to: string | undefined): string {
  if (!to?.startsWith('/') || to.startsWith('//') || to.includes('\\')) return '/'
  return to.startsWith('/sign-in') ? '/' : to
}
