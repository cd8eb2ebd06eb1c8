import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Download, RotateCcw, X } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { history, items, type Place, storedVersions } from '../../api/queries'
import { address } from '../../api/request'
import type { Entry, History } from '../../api/types'
import { useCan } from '../../app/me'
import { Badge } from '../../ui/badge'
import { Button, buttonClass, IconButton } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Facts } from '../../ui/page'
import { Loaded } from '../../ui/states'
import { Bytes, When } from '../../ui/time'
import { Export } from './export'
import { Message, usePeople } from './message'

export function contentAddress({ tenant, resource, at, path }: Place, version?: string): string {
  return address('/api/v1/resources/{resource}/content', { resource }, { tenant, at, path, version })
}

interface Props {
  place: Place
  /** The item's id: it stays the same while it moves and while the time changes. */
  item: string
  /** Name of the resource, for the command line. */
  name: string
  onClose: () => void
  onAt: (at: string) => void
  onRestore: (path: string, at?: string) => void
}

export function ItemPanel({ place, item, name, onClose, onAt, onRestore }: Props) {
  const { t } = useTranslation()
  const can = useCan()
  const past = useQuery(history(place.tenant, place.resource, item))
  const listed = useInfiniteQuery(items(place)).data?.pages.flatMap((page) => page.entries)
  const entry = listed?.find(({ id }) => id === item)
  return (
    <aside
      aria-label={t('item.title')}
      className="grid content-start gap-4 border-t border-line p-4 xl:border-t-0 xl:border-l"
    >
      <header className="flex items-start gap-2">
        <h2 className="min-w-0 flex-1 text-lg font-semibold break-words">
          {entry?.title ?? past.data?.title ?? '…'}
        </h2>
        <IconButton label={t('common.close')} onClick={onClose}>
          <X aria-hidden size={16} />
        </IconButton>
      </header>
      {entry ? (
        <>
          <Details entry={entry} place={{ ...place, path: entry.path }} />
          <div className="flex flex-wrap gap-2">
            {can('restore') && (
              <Button
                look="primary"
                icon={<RotateCcw aria-hidden size={14} />}
                onClick={() => onRestore(entry.path)}
              >
                {t('restore.open')}
              </Button>
            )}
            <a href={contentAddress({ ...place, path: entry.path })} download className={buttonClass()}>
              <Download aria-hidden size={14} />
              {t('item.download')}
            </a>
            <Export place={{ ...place, path: entry.path }} name={name} />
            <AsCli
              text={command(
                'holdfast',
                'cat',
                '--tenant',
                place.tenant,
                '--resource',
                name,
                place.at && '--at',
                place.at,
                '--path',
                entry.path,
              )}
            />
          </div>
          {entry.kind === 'message' && <Message place={{ ...place, path: entry.path }} />}
        </>
      ) : (
        listed && <p className="text-muted">{t('item.notHere')}</p>
      )}
      <section>
        <h3 className="mb-2 font-semibold">{t('item.history')}</h3>
        <Loaded query={past}>
          {(known) => <Versions known={known} place={place} onAt={onAt} onRestore={onRestore} />}
        </Loaded>
      </section>
      {entry?.kind === 'file' && <Stored place={{ ...place, path: entry.path }} />}
    </aside>
  )
}

function Details({ entry, place }: { entry: Entry; place: Place }) {
  const { t } = useTranslation()
  const people = usePeople(place, entry.kind === 'message')
  const facts = [...people]
  if (entry.from && people.length === 0)
    facts.push([entry.kind === 'message' ? t('browse.from') : t('browse.by'), entry.from])
  if (entry.received && people.length === 0)
    facts.push([t('browse.received'), <When key="received" time={entry.received} />])
  if (entry.modified) facts.push([t('browse.modified'), <When key="modified" time={entry.modified} />])
  facts.push([t('browse.size'), <Bytes key="size" value={entry.size} />])
  facts.push([
    t('item.path'),
    <span key="path" className="text-sm break-all">
      {entry.path}
    </span>,
  ])
  return <Facts facts={facts} />
}

type Version = Pick<Props, 'place' | 'onAt' | 'onRestore'> & { known: History }

function Versions({ known, place, onAt, onRestore }: Version) {
  const { t } = useTranslation()
  const can = useCan()
  return (
    <ol className="grid gap-2">
      {known.versions.toReversed().map((version, index) => (
        <li key={`${version.shard}-${version.seq}`} className="rounded-md border border-line px-3 py-2">
          <div className="flex flex-wrap items-center justify-between gap-2">
            <span className={`font-medium ${version.deleted ? 'line-through decoration-1' : ''}`}>
              <When time={version.first_seen} />
            </span>
            <span className="flex items-center gap-2 text-sm text-muted">
              {index === 0 && !version.deleted && <Badge tone="ok">{t('item.current')}</Badge>}
              {version.deleted && <Badge tone="warn">{t('item.deleted')}</Badge>}
              <Bytes value={version.size} />
            </span>
          </div>
          {version.changes.length > 0 && (
            <p className="text-sm text-muted">{t('item.changed', { fields: version.changes.join(', ') })}</p>
          )}
          <div className="mt-1 -ml-2 flex flex-wrap">
            <Button small look="quiet" onClick={() => onAt(version.last_seen)}>
              {t('item.go')}
            </Button>
            <a
              className={buttonClass('quiet', true)}
              download
              href={contentAddress({ ...place, at: version.last_seen, path: version.path })}
            >
              {t('item.download')}
            </a>
            {can('restore') && (
              <Button small look="quiet" onClick={() => onRestore(version.path, version.last_seen)}>
                {t('restore.open')}
              </Button>
            )}
          </div>
        </li>
      ))}
    </ol>
  )
}

/** Versions that the service numbered and Holdfast took. */
function Stored({ place }: { place: Place }) {
  const { t } = useTranslation()
  const { data = [] } = useQuery(storedVersions(place))
  if (data.length === 0) return null
  return (
    <section>
      <h3 className="mb-2 font-semibold">{t('item.stored')}</h3>
      <ul className="grid gap-1">
        {data.map((version) => (
          <li key={version.version} className="flex items-center justify-between gap-2 text-sm">
            <span>
              {version.version} · <When time={version.modified} />
            </span>
            <a className="text-accent hover:underline" download href={contentAddress(place, version.version)}>
              <Bytes value={version.size} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}
