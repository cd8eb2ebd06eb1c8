import { expect, test } from 'vitest'
import { exportAddress, exportCommand } from './export'
import { written } from './message'

const PLACE = { tenant: 'contoso', resource: 'exchange/a b' }

test('an export is named by resource, time and folder', () => {
  expect(exportAddress(PLACE)).toBe('/api/v1/resources/exchange%2Fa%20b/export?tenant=contoso')
  expect(exportAddress({ ...PLACE, at: '2026-11-01T00:00:00Z', path: 'Inbox/&x' })).toBe(
    '/api/v1/resources/exchange%2Fa%20b/export?tenant=contoso&at=2026-11-01T00%3A00%3A00Z&path=Inbox%2F%26x',
  )
})

test('the command line says the same, quoted', () => {
  expect(exportCommand({ ...PLACE, path: "It's" }, 'ada@contoso.example')).toBe(
    "holdfast export --tenant contoso --resource ada@contoso.example --path 'It'\\''s' --format zip --out export.zip",
  )
})

test('a person is written with name and address, whichever there are', () => {
  expect(written({ name: 'Ada', address: 'ada@x.example' })).toBe('Ada <ada@x.example>')
  expect(written({ name: '', address: 'ada@x.example' })).toBe('ada@x.example')
  expect(written({ name: 'Ada', address: '' })).toBe('Ada')
})
