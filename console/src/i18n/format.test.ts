import { expect, test } from 'vitest'
import { bytes, relative, span } from './format'

test('bytes have three digits at most and the unit that fits', () => {
  expect(bytes(0, 'en')).toBe('0 B')
  expect(bytes(1023, 'en')).toBe('1,023 B')
  expect(bytes(1536, 'en')).toBe('1.5 KiB')
  expect(bytes(1536, 'de')).toBe('1,5 KiB')
  expect(bytes(105 * 1024, 'en')).toBe('105 KiB')
  expect(bytes(5 * 1024 ** 4, 'en')).toBe('5.0 TiB')
})

test('a time is told from now', () => {
  const now = Date.parse('2026-03-01T12:00:00Z')
  expect(relative('2026-03-01T11:59:30Z', now, 'en')).toBe('30 seconds ago')
  expect(relative('2026-03-01T09:00:00Z', now, 'en')).toBe('3 hours ago')
  expect(relative('2026-02-28T11:00:00Z', now, 'de')).toBe('gestern')
  expect(relative('2026-03-01T12:00:05Z', now, 'en')).toBe('now')
  expect(relative('2026-03-01T15:00:00Z', now, 'en')).toBe('in 3 hours')
  expect(relative('nonsense', now, 'en')).toBe('nonsense')
})

test('a length of time has its two largest units', () => {
  expect(span(0, 'en')).toBe('0s')
  expect(span(200, 'en')).toBe('<1s')
  expect(span(61_000, 'en')).toBe('1m 1s')
  expect(span(2 * 86_400_000 + 4 * 3_600_000 + 60_000, 'en')).toBe('2d 4h')
  expect(span(86_400_000 + 60_000, 'en')).toBe('1d')
})
