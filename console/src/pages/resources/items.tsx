import { useInfiniteQuery } from '@tanstack/react-query'
import { File, Folder, FolderSearch, Mail } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { items, type Place } from '../../api/queries'
import { ApiError } from '../../api/request'
import type { Entry } from '../../api/types'
import { usePoll } from '../../app/events'
import { EmptyState, Loaded } from '../../ui/states'
import { type Column, VirtualTable } from '../../ui/table'
import { Bytes, When } from '../../ui/time'
import { ancestors, baseName } from './place'

const ICONS = { folder: Folder, message: Mail, file: File }

export function EntryIcon({ kind }: { kind: string }) {
  const Icon = ICONS[kind as keyof typeof ICONS] ?? File
  return <Icon aria-hidden size={15} className="shrink-0 text-muted" />
}

interface Props {
  place: Place
  open?: string
  chosen: Set<string>
  onChosen: (paths: Set<string>) => void
  onPath: (path: string | undefined) => void
  onItem: (entry: Entry) => void
}

export function Items({ place, open, chosen, onChosen, onPath, onItem }: Props) {
  const { t } = useTranslation()
  // Only the newest restore point changes.
  const poll = usePoll()
  const list = useInfiniteQuery({ ...items(place), refetchInterval: place.at === undefined && poll })
  const rows = list.data?.pages.flatMap((page) => page.entries)
  const away = list.error instanceof ApiError && list.error.code === 'not_found'
  if (away && place.path !== undefined) {
    return (
      <EmptyState
        icon={<FolderSearch aria-hidden size={24} />}
        title={t('browse.away')}
        text={t('browse.awayText', { path: place.path })}
      />
    )
  }
  const toggle = (paths: string[], on: boolean) => {
    const next = new Set(chosen)
    for (const path of paths) on ? next.add(path) : next.delete(path)
    onChosen(next)
  }
  return (
    <Loaded query={{ ...list, data: rows }} lines={10}>
      {(entries) =>
        entries.length === 0 ? (
          <EmptyState icon={<Folder aria-hidden size={24} />} title={t('browse.empty')} />
        ) : (
          <VirtualTable
            label={t('browse.items')}
            rows={entries}
            id={(entry) => entry.path}
            height={38}
            chosen={(entry) => entry.id === open}
            onEnd={() => list.hasNextPage && !list.isFetchingNextPage && void list.fetchNextPage()}
            className="max-h-[calc(100dvh-19rem)] min-h-64"
            columns={columns(entries).filter(({ key }) => !(open && (key === 'from' || key === 'size')))}
          />
        )
      }
    </Loaded>
  )

  function columns(entries: Entry[]): Column<Entry>[] {
    const messages = entries.some(({ kind }) => kind === 'message')
    const all = entries.every(({ path }) => chosen.has(path))
    return [
      {
        key: 'pick',
        width: '2.5rem',
        head: (
          <input
            type="checkbox"
            aria-label={t('browse.pickAll')}
            checked={all}
            onChange={(event) =>
              toggle(
                entries.map(({ path }) => path),
                event.target.checked,
              )
            }
            className="accent-(--accent)"
          />
        ),
        cell: (entry) => (
          <input
            type="checkbox"
            aria-label={t('browse.pick', { name: entry.title })}
            checked={chosen.has(entry.path)}
            onChange={(event) => toggle([entry.path], event.target.checked)}
            className="accent-(--accent)"
          />
        ),
      },
      {
        key: 'title',
        width: 'minmax(12rem,3fr)',
        head: messages ? t('browse.subject') : t('browse.name'),
        cell: (entry) => (
          <button
            type="button"
            onClick={() => (entry.kind === 'folder' ? onPath(entry.path) : onItem(entry))}
            className="flex max-w-full items-center gap-2 text-left hover:underline"
          >
            <EntryIcon kind={entry.kind} />
            <span className="truncate">{entry.title || t('browse.untitled')}</span>
          </button>
        ),
      },
      {
        key: 'from',
        wideOnly: true,
        width: 'minmax(7rem,1.5fr)',
        head: messages ? t('browse.from') : t('browse.by'),
        cell: (entry) => entry.from ?? '',
      },
      {
        key: 'time',
        width: '11rem',
        head: messages ? t('browse.received') : t('browse.modified'),
        cell: (entry) => {
          const time = entry.received ?? entry.modified
          return time ? <When time={time} /> : ''
        },
      },
      {
        key: 'size',
        width: '6.5rem',
        right: true,
        head: t('browse.size'),
        cell: (entry) => (entry.kind === 'folder' ? '' : <Bytes value={entry.size} />),
      },
    ]
  }
}

export function Crumbs({
  path,
  onPath,
}: {
  path: string | undefined
  onPath: (path: string | undefined) => void
}) {
  const { t } = useTranslation()
  const crumb = 'max-w-60 truncate rounded-sm px-1 text-accent hover:underline'
  return (
    <nav aria-label={t('browse.where')} className="flex min-w-0 flex-wrap items-center">
      <button type="button" className={crumb} onClick={() => onPath(undefined)}>
        {t('browse.all')}
      </button>
      {ancestors(path ?? '').map((each) => (
        <span key={each} className="flex min-w-0 items-center">
          <span aria-hidden className="text-muted">
            /
          </span>
          <button type="button" className={crumb} onClick={() => onPath(each)}>
            {baseName(each)}
          </button>
        </span>
      ))}
    </nav>
  )
}
