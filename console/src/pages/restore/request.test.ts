import { expect, test } from 'vitest'
import type { Resource, RestoreReport } from '../../api/types'
import { quote } from '../../ui/cli'
import { bodies, commands, sum, type Target } from './request'

const row = { id: 'exchange/1', name: "o'malley@contoso.example", tenant: 'contoso' } as Resource
const target: Target = { rule: 'skip', permissions: false }

test('each path is a request of its own, and nothing is replaced by default', () => {
  const asked = bodies({ row, at: '2026-01-01T00:00:00Z', paths: ['Inbox/a', 'Inbox/b'] }, target, true)
  expect(asked.map(({ path }) => path)).toEqual(['Inbox/a', 'Inbox/b'])
  expect(asked[0]).toMatchObject({ resource: 'exchange/1', on_conflict: 'skip', dry_run: true })
})

test('the command line is quoted for a shell', () => {
  expect(quote("it's; rm -rf /")).toBe("'it'\\''s; rm -rf /'")
  expect(commands({ row, paths: ['In box'] }, { ...target, rule: 'copy', into: 'Back' }, undefined)).toBe(
    "holdfast restore --tenant contoso --resource 'o'\\''malley@contoso.example' --path 'In box' --into Back --on-conflict copy",
  )
})

test('reports add up, and nothing is counted twice', () => {
  const report = (more: Partial<RestoreReport>) =>
    ({
      items_restored: 0,
      items_skipped: 0,
      items_unchanged: 0,
      items_conflicting: 0,
      items_failed: 0,
      bytes: 0,
      losses: {},
      items: [],
      ...more,
    }) as unknown as RestoreReport
  const all = sum([
    report({ items_restored: 2, bytes: 10, losses: { a: 1 } }),
    report({ items_skipped: 6, items_unchanged: 3, items_conflicting: 2, losses: { a: 2, b: 1 } }),
  ])
  expect(all).toMatchObject({
    restored: 2,
    unchanged: 3,
    conflicting: 2,
    skipped: 1,
    bytes: 10,
    losses: { a: 3, b: 1 },
  })
})
