// One stream of events for the whole browser. Of all open tabs the one that holds the lock reads it and
// tells the others; while no stream answers, what is shown is asked for again every few seconds.

import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'
import type { JobDetail, ServerEvent } from '../api/types'

const CHANNEL = 'holdfast.events'
const POLL = 5_000

/** What may be different when a job has ended. */
const CHANGED = [
  'overview',
  'objectives',
  'resources',
  'resource',
  'restore points',
  'items',
  'history',
  'search',
]

type Message = { kind: 'event'; event: ServerEvent } | { kind: 'live'; live: boolean } | { kind: 'who' }

let live = false
const watchers = new Set<() => void>()

function setLive(value: boolean) {
  live = value
  for (const tell of watchers) tell()
}

function watch(tell: () => void) {
  watchers.add(tell)
  return () => watchers.delete(tell)
}

/** Whether changes arrive by themselves. */
export function useLive(): boolean {
  return useSyncExternalStore(watch, () => live)
}

/** For queries that must keep up with the jobs. */
export function usePoll(): number | false {
  return useLive() ? false : POLL
}

export function take(client: QueryClient, event: ServerEvent) {
  if (event.event === 'missed') {
    void client.invalidateQueries()
    return
  }
  const { job } = event
  const before = client.getQueryData<JobDetail>(['job', job.id])
  client.setQueryData<JobDetail>(['job', job.id], (known) => known && { ...known, ...job })
  void client.invalidateQueries({ queryKey: ['jobs'] })
  if (before?.state !== job.state) void client.invalidateQueries({ queryKey: ['job', job.id] })
  if (job.state === 'done' || job.state === 'failed') {
    for (const key of CHANGED) {
      void client.invalidateQueries({ queryKey: [key] })
    }
  }
}

/** Reads the stream until `signal` says stop. */
function read(tell: (message: Message) => void, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const stream = new EventSource('/api/v1/events')
    stream.onopen = () => tell({ kind: 'live', live: true })
    stream.onerror = () => tell({ kind: 'live', live: false })
    stream.onmessage = (message) => {
      tell({ kind: 'event', event: JSON.parse(message.data as string) as ServerEvent })
    }
    signal.addEventListener('abort', () => {
      stream.close()
      done()
    })
  })
}

export function useEvents() {
  const client = useQueryClient()
  useEffect(() => {
    const stop = new AbortController()
    const channel = new BroadcastChannel(CHANNEL)
    let leads = false
    const hear = (message: Message) => {
      if (message.kind === 'event') take(client, message.event)
      if (message.kind === 'live') setLive(message.live)
      if (message.kind === 'who' && leads) channel.postMessage({ kind: 'live', live })
    }
    channel.onmessage = (message) => hear(message.data as Message)
    channel.postMessage({ kind: 'who' })
    const tell = (message: Message) => {
      hear(message)
      channel.postMessage(message)
    }
    const lead = () => {
      leads = true
      return read(tell, stop.signal)
    }
    navigator.locks.request(CHANNEL, { signal: stop.signal }, lead).catch(() => {})
    return () => {
      stop.abort()
      channel.close()
      setLive(false)
    }
  }, [client])
}
