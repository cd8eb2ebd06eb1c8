import { expect, test } from 'vitest'
import { rulesOf, secretOf } from './rules'

test('no rule keeps everything, and what makes no sense is no rule', () => {
  expect(rulesOf('', ' ')).toEqual({})
  expect(rulesOf(' 7 ', '30d')).toEqual({ keep_last: 7, keep_within: '30d' })
  for (const bad of ['0', '-1', '1.5', 'all']) expect(rulesOf(bad, '')).toBeUndefined()
  for (const bad of ['30', 'd', '0d', '-3d']) expect(rulesOf('', bad)).toBeUndefined()
})

test('a secret is 64 hexadecimal digits', () => {
  expect(secretOf(`${'0a'.repeat(32)}\n`)).toBe('0a'.repeat(32))
  expect(secretOf('0a'.repeat(31))).toBeUndefined()
  expect(secretOf('zz'.repeat(32))).toBeUndefined()
})
