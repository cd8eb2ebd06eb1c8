// All requests to the server go through here (docs/api.md): same origin, the session's cookie, the
// session's token in a header for what changes something, failures of the one shape.

import type { paths } from './schema'

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Op<P extends keyof paths, M extends Method> = M extends keyof paths[P] ? paths[P][M] : never
type With<M extends Method> = {
  [P in keyof paths]: Op<P, M> extends object ? P : never
}[keyof paths]
type Params<O> = O extends { parameters: { path: infer T } } ? T : undefined
type Query<O> = O extends { parameters: { query?: infer T } } ? T : undefined
type Body<O> = O extends { requestBody: { content: { 'application/json': infer T } } } ? T : undefined
type Good<O> = O extends { responses: infer R }
  ? R[Extract<keyof R, 200 | 201 | 202>] extends { content: { 'application/json': infer T } }
    ? T
    : undefined
  : never

export interface Input<O> {
  path?: Params<O>
  query?: Query<O>
  body?: Body<O>
  signal?: AbortSignal
}

/** What a failure is: the server's codes, and `unreachable` where there was no answer. */
export type FailureCode =
  | 'not_signed_in'
  | 'step_up'
  | 'denied'
  | 'invalid'
  | 'not_found'
  | 'refused'
  | 'later'
  | 'damaged'
  | 'failed'
  | 'unreachable'

export class ApiError extends Error {
  constructor(
    readonly code: FailureCode,
    message: string,
    readonly hint?: string,
    /** Seconds after which it may be tried again. */
    readonly wait?: number,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

const hooks = {
  /** Asks for a fresh proof; true when it was given. */
  stepUp: async (): Promise<boolean> => false,
  /** The session has ended. */
  signedOut: () => {},
}

export function onStepUp(ask: () => Promise<boolean>) {
  hooks.stepUp = ask
}

export function onSignedOut(tell: () => void) {
  hooks.signedOut = tell
}

let csrf: string | undefined

export function setCsrf(token: string | undefined) {
  csrf = token
}

export function address(path: string, params?: object, query?: object): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) =>
    encodeURIComponent(String((params as Record<string, unknown> | undefined)?.[name] ?? '')),
  )
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value))
  }
  return search.size > 0 ? `${filled}?${search}` : filled
}

/** Reads a failure; an answer that is none of ours (a proxy's page) becomes `failed`. */
export async function failureOf(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get('Retry-After')) || undefined
  try {
    const { error } = (await response.json()) as {
      error: { code: FailureCode; message: string; hint?: string }
    }
    return new ApiError(error.code, error.message, error.hint, wait)
  } catch {
    return new ApiError('failed', `HTTP ${response.status} ${response.statusText}`.trim(), undefined, wait)
  }
}

async function send(method: Method, url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'get' && csrf) headers['X-Holdfast-Csrf'] = csrf
  try {
    return await fetch(url, {
      method: method.toUpperCase(),
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal,
    })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError('unreachable', '')
  }
}

export interface Options {
  /** A 401 is an answer to what was typed, not the end of a session. */
  signingIn?: boolean
}

/** Sends; asks for a fresh proof where one is needed, and sends again. */
async function answer(
  method: Method,
  url: string,
  body: unknown,
  signal?: AbortSignal,
  options: Options = {},
): Promise<Response> {
  const response = await send(method, url, body, signal)
  if (response.ok) return response
  let error = await failureOf(response)
  if (error.code === 'step_up' && (await hooks.stepUp())) {
    const again = await send(method, url, body, signal)
    if (again.ok) return again
    error = await failureOf(again)
  }
  if (error.code === 'not_signed_in' && !options.signingIn) hooks.signedOut()
  throw error
}

export async function call<M extends Method, P extends With<M>>(
  method: M,
  path: P,
  input: Input<Op<P, M>> = {},
  options: Options = {},
): Promise<Good<Op<P, M>>> {
  const url = address(path as string, input.path as object, input.query as object)
  const response = await answer(method, url, input.body, input.signal, options)
  if (response.status === 204) return undefined as Good<Op<P, M>>
  return (await response.json()) as Good<Op<P, M>>
}

/** Asks for a file by a request that a link cannot make. */
export async function file<P extends With<'post'>>(path: P, params: Params<Op<P, 'post'>>): Promise<Blob> {
  return (await answer('post', address(path as string, params as object), undefined)).blob()
}
