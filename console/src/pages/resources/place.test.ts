import { expect, test } from 'vitest'
import type { Resource, Snapshot } from '../../api/types'
import { filter, fold, join } from './filter'
import { resourceLink } from './link'
import { ancestors, baseName, byDay, chosenPoint, nearest, share, weeks } from './place'

const point = (time: string): Snapshot => ({
  id: time,
  time,
  kind: 'final',
  resources: [],
  run: '',
  seq: 1,
  shard: 1,
  vault: '',
})
const points = ['2026-01-01T08:00:00Z', '2026-01-01T20:00:00Z', '2026-01-05T08:00:00Z'].map(point)

test('a time means the last restore point at or before it', () => {
  expect(chosenPoint(points, undefined)).toBe(2)
  expect(chosenPoint(points, '2026-01-01T20:00:00Z')).toBe(1)
  expect(chosenPoint(points, '2026-01-03T00:00:00Z')).toBe(1)
  expect(chosenPoint(points, '2025-12-31T00:00:00Z')).toBe(-1)
  expect(chosenPoint(points, '2027-01-01T00:00:00Z')).toBe(2)
})

test('points stand on the line by their time', () => {
  expect([0, 1, 2].map((index) => share(points, index))).toEqual([0, 0.125, 1])
  expect(nearest(points, 0.5)).toBe(1)
  expect(nearest(points, 0.6)).toBe(2)
})

test('days have their points', () => {
  expect([...byDay(points).values()].map((list) => list.length)).toEqual([2, 1])
})

test('a month begins on its weekday', () => {
  const [first, ...others] = weeks(2026, 1)
  expect(first?.findIndex((day) => day?.getDate() === 1)).toBe(6)
  expect(others.at(-1)?.[5]?.getDate()).toBe(28)
})

test('a path has its ancestors', () => {
  expect(ancestors('Inbox/a/b')).toEqual(['Inbox', 'Inbox/a', 'Inbox/a/b'])
  expect(ancestors('')).toEqual([])
  expect(baseName('Inbox/a')).toBe('a')
})

test('a resource has an address', () => {
  expect(resourceLink({ tenant: 't', id: 'onedrive/host,a,b' }).params).toEqual({
    owner: 't',
    workload: 'onedrive',
    key: 'host,a,b',
  })
})

test('names are found without their marks, and filters add up', () => {
  expect(fold('Łukasz Rybníčková')).toBe('lukasz rybnickova')
  const row = (name: string, workload: string): Resource => ({
    id: `${workload}/${name}`,
    name,
    display_name: name,
    tenant: 't',
    workload,
    graph_id: name,
    status: 'active',
    stale: false,
  })
  const known = join([row('Łukasz', 'exchange'), row('Łukasz', 'onedrive'), row('Ann', 'exchange')], [])
  expect(filter(known, { name: 'lukas', workload: 'onedrive' }).map(({ id }) => id)).toEqual([
    'onedrive/Łukasz',
  ])
  expect(filter(known, { standing: 'missed' })).toEqual([])
})
