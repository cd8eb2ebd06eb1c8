import { useEffect, useSyncExternalStore } from 'react'
import { locale } from '../i18n'
import { bytes, count, exact, relative, short } from '../i18n/format'
import { Tip } from './tooltip'

let now = Date.now()
const watchers = new Set<() => void>()
let ticking: ReturnType<typeof setInterval> | undefined

function watch(tell: () => void) {
  watchers.add(tell)
  ticking ??= setInterval(() => {
    now = Date.now()
    for (const each of watchers) each()
  }, 10_000)
  return () => {
    watchers.delete(tell)
    if (watchers.size === 0) {
      clearInterval(ticking)
      ticking = undefined
    }
  }
}

export function useNow(): number {
  useEffect(() => {
    now = Date.now()
  }, [])
  return useSyncExternalStore(watch, () => now)
}

/** "3 hours ago", and the exact time on hover. */
export function Ago({ time }: { time: string }) {
  const at = useNow()
  return (
    <Tip text={`${exact(time, locale())} · ${new Date(time).toISOString()}`}>
      <time dateTime={time} className="whitespace-nowrap">
        {relative(time, at, locale())}
      </time>
    </Tip>
  )
}

/** Date and time, and to the second on hover. */
export function When({ time }: { time: string }) {
  return (
    <Tip text={exact(time, locale())}>
      <time dateTime={time} className="whitespace-nowrap">
        {short(time, locale())}
      </time>
    </Tip>
  )
}

export function Bytes({ value }: { value: number }) {
  return (
    <span className="whitespace-nowrap" title={`${count(value, locale())} B`}>
      {bytes(value, locale())}
    </span>
  )
}

export function Count({ value }: { value: number }) {
  return <>{count(value, locale())}</>
}
