// Where in a resource one is: paths, and restore points of a list.

import type { Snapshot } from '../../api/types'

/** The folders on the way to a path, the path itself last. */
export function ancestors(path: string): string[] {
  const parts = path.split('/').filter(Boolean)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Which restore point a time means: the last one at or before it; the newest without a time. */
export function chosenPoint(points: Snapshot[], at: string | undefined): number {
  if (at === undefined) return points.length - 1
  const wish = Date.parse(at)
  const after = points.findIndex(({ time }) => Date.parse(time) > wish)
  return after === -1 ? points.length - 1 : after - 1
}

/** The day of a time, where the browser is: `2026-11-23`. */
export function dayOf(time: string | Date): string {
  const date = new Date(time)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** The restore points of each day. */
export function byDay(points: Snapshot[]): Map<string, Snapshot[]> {
  const days = new Map<string, Snapshot[]>()
  for (const point of points) {
    const day = dayOf(point.time)
    days.set(day, [...(days.get(day) ?? []), point])
  }
  return days
}

/** The weeks of a month, from Monday; `undefined` where a day is of another month. */
export function weeks(year: number, month: number): (Date | undefined)[][] {
  const first = (new Date(year, month, 1).getDay() + 6) % 7
  const length = new Date(year, month + 1, 0).getDate()
  const cells = Array.from({ length: Math.ceil((first + length) / 7) * 7 }, (_, cell) => {
    const day = cell - first + 1
    return day >= 1 && day <= length ? new Date(year, month, day) : undefined
  })
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7))
}

/** Where on a line from the first restore point to the last one stands: from 0 to 1, by its time. */
export function share(points: Snapshot[], index: number): number {
  const time = (at: number) => Date.parse(points[at]?.time ?? '')
  const length = time(points.length - 1) - time(0)
  return length > 0 ? (time(index) - time(0)) / length : 0
}

/** The restore point that is next to a place on that line. */
export function nearest(points: Snapshot[], place: number): number {
  const away = points.map((_, index) => Math.abs(share(points, index) - place))
  return away.indexOf(Math.min(...away))
}
