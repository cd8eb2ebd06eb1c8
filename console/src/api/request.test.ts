import { afterEach, expect, test, vi } from 'vitest'
import { ApiError, address, call, onSignedOut, onStepUp, setCsrf } from './request'

const answers = (...list: [number, unknown, Record<string, string>?][]) => {
  const asked = vi.fn(async (_url: string, _init: RequestInit) => {
    const [status, body, headers] = list.shift() ?? [500, {}]
    return new Response(status === 204 ? null : JSON.stringify(body), { status, headers })
  })
  vi.stubGlobal('fetch', asked)
  return asked
}

const failure = (code: string) => ({ error: { code, message: `it is ${code}`, hint: 'do this' } })

afterEach(() => {
  vi.unstubAllGlobals()
  setCsrf(undefined)
})

test('names in paths and queries are encoded', () => {
  expect(
    address('/r/{resource}/items', { resource: 'exchange/a,b' }, { path: 'In box/ü', at: undefined }),
  ).toBe('/r/exchange%2Fa%2Cb/items?path=In+box%2F%C3%BC')
})

test('only what changes something carries the token of the session', async () => {
  const asked = answers([200, { entries: [] }], [202, { job: '1' }])
  setCsrf('secret')
  await call('get', '/api/v1/tenants')
  await call('post', '/api/v1/backups', { body: { tenant: 'contoso' } })
  const headers = asked.mock.calls.map(([, init]) => init.headers as Record<string, string>)
  expect(headers[0]).toEqual({})
  expect(headers[1]).toEqual({ 'Content-Type': 'application/json', 'X-Holdfast-Csrf': 'secret' })
})

test('a failure has code, text, hint and wait', async () => {
  answers([429, failure('later'), { 'Retry-After': '7' }])
  const error = await call('get', '/api/v1/tenants').catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(ApiError)
  expect(error).toMatchObject({ code: 'later', message: 'it is later', hint: 'do this', wait: 7 })
})

test("a proxy's page is a failure too", async () => {
  vi.stubGlobal('fetch', async () => new Response('<html>', { status: 502, statusText: 'Bad Gateway' }))
  await expect(call('get', '/api/v1/tenants')).rejects.toMatchObject({
    code: 'failed',
    message: 'HTTP 502 Bad Gateway',
  })
})

test('after a proof the same is asked again; without one it fails', async () => {
  const asked = answers([403, failure('step_up')], [204, null], [403, failure('step_up')])
  onStepUp(async () => true)
  await call('delete', '/api/v1/users/{id}', { path: { id: '1' } })
  expect(asked).toHaveBeenCalledTimes(2)
  onStepUp(async () => false)
  await expect(call('delete', '/api/v1/users/{id}', { path: { id: '1' } })).rejects.toMatchObject({
    code: 'step_up',
  })
  expect(asked).toHaveBeenCalledTimes(3)
})

test('the end of a session is told, a wrong password is not one', async () => {
  const told = vi.fn()
  onSignedOut(told)
  answers([401, failure('not_signed_in')], [401, failure('not_signed_in')])
  await expect(
    call('post', '/api/v1/session', { body: { name: 'a', password: 'b' } }, { signingIn: true }),
  ).rejects.toMatchObject({ code: 'not_signed_in' })
  expect(told).not.toHaveBeenCalled()
  await expect(call('get', '/api/v1/tenants')).rejects.toMatchObject({ code: 'not_signed_in' })
  expect(told).toHaveBeenCalledOnce()
})
