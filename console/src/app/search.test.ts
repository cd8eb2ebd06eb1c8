import { expect, test } from 'vitest'
import { parseSearch, resourceSearch, safeTarget, stringifySearch } from './search'

test('what stands in an address comes back as it was', () => {
  const search = { at: '2026-11-23T05:20:11.965Z', path: 'Inbox/a b & c=ü?#', item: '123', q: 'true' }
  expect(parseSearch(stringifySearch(search))).toEqual(search)
})

test('empty values leave no trace', () => {
  expect(stringifySearch({ at: undefined, path: '' })).toBe('')
})

test('a time that is none is as if it were not there', () => {
  expect(resourceSearch.parse({ at: 'yesterday', path: 'Inbox' })).toEqual({ at: undefined, path: 'Inbox' })
})

test('sign-in leads to pages of this console only', () => {
  expect(safeTarget('/jobs?state=failed')).toBe('/jobs?state=failed')
  for (const bad of [
    undefined,
    '',
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '/sign-in?to=/',
  ]) {
    expect(safeTarget(bad)).toBe('/')
  }
})
