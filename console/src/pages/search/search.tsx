import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Search as Lens, RotateCcw } from 'lucide-react'
import { useDeferredValue, useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { hits, resources } from '../../api/queries'
import type { Hit, Resource } from '../../api/types'
import { useCan, useTenant } from '../../app/me'
import { Badge } from '../../ui/badge'
import { IconButton } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Check } from '../../ui/field'
import { Card, Page } from '../../ui/page'
import { EmptyState, Loaded } from '../../ui/states'
import { VirtualTable } from '../../ui/table'
import { Bytes, When } from '../../ui/time'
import { EntryIcon } from '../resources/items'
import { resourceLink } from '../resources/link'
import { RestoreDialog, type What } from '../restore/dialog'

interface Find {
  q?: string
  deleted?: '1'
  resource?: string
}

export function SearchPage() {
  const { t } = useTranslation()
  const tenant = useTenant()
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as Find
  const [typed, setTyped] = useState(search.q ?? '')
  const q = useDeferredValue(search.q ?? '')
  const deleted = search.deleted === '1'
  const found = useQuery(hits({ query: q, tenant, deleted: deleted || undefined, resource: search.resource }))
  const set = (change: Find) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }), replace: true })
  useEffect(() => setTyped(search.q ?? ''), [search.q])
  return (
    <Page
      title={t('nav.search')}
      lead={t('search.lead')}
      actions={
        q && (
          <AsCli
            text={command(
              'holdfast',
              'find',
              ...q.split(/\s+/).filter(Boolean),
              tenant && '--tenant',
              tenant,
              deleted && '--deleted',
            )}
          />
        )
      }
    >
      <search className="flex flex-wrap items-center gap-4">
        <form
          className="flex w-[36rem] max-w-full"
          onSubmit={(event) => {
            event.preventDefault()
            set({ q: typed || undefined })
          }}
        >
          <input
            type="search"
            autoFocus
            aria-label={t('nav.search')}
            placeholder={t('search.placeholder')}
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value)
              set({ q: event.target.value || undefined })
            }}
            className="h-9 w-full rounded-md border border-edge bg-surface px-3 placeholder:text-muted"
          />
        </form>
        <Check
          label={t('search.deleted')}
          checked={deleted}
          onChecked={(on) => set({ deleted: on ? '1' : undefined })}
        />
      </search>
      <Card flush>
        {q.trim() === '' ? (
          <EmptyState
            icon={<Lens aria-hidden size={24} />}
            title={t('search.begin')}
            text={t('search.beginText')}
          />
        ) : (
          <Loaded query={{ ...found, data: found.data?.entries }} lines={8}>
            {(rows) =>
              rows.length === 0 ? (
                <EmptyState title={t('search.none')} text={t('search.noneText')} />
              ) : (
                <Hits rows={rows} tenant={tenant} />
              )
            }
          </Loaded>
        )}
      </Card>
    </Page>
  )
}

function Hits({ rows, tenant }: { rows: Hit[]; tenant?: string }) {
  const { t } = useTranslation()
  const can = useCan()
  const all = useQuery(resources(tenant)).data
  const byName = useMemo(() => new Map((all ?? []).map((row) => [row.name, row])), [all])
  const [restoring, setRestoring] = useState<What>()
  return (
    <>
      <VirtualTable
        label={t('search.hits')}
        rows={rows}
        id={(hit) => `${hit.resource}\n${hit.path}`}
        height={48}
        className="max-h-[calc(100dvh-14rem)]"
        columns={[
          {
            key: 'title',
            width: 'minmax(14rem,3fr)',
            head: t('search.what'),
            cell: (hit) => <Title hit={hit} row={byName.get(hit.resource)} />,
          },
          {
            key: 'from',
            wideOnly: true,
            width: 'minmax(7rem,1.5fr)',
            head: t('browse.from'),
            cell: (hit) => hit.from ?? '',
          },
          { key: 'time', width: '11rem', head: t('search.time'), cell: (hit) => <Time hit={hit} /> },
          {
            key: 'state',
            wideOnly: true,
            width: '6rem',
            head: t('search.state'),
            cell: (hit) => (hit.deleted ? <Badge tone="warn">{t('item.deleted')}</Badge> : ''),
          },
          {
            key: 'size',
            width: '6rem',
            right: true,
            head: t('browse.size'),
            cell: (hit) => <Bytes value={hit.size} />,
          },
          {
            key: 'act',
            width: '3.5rem',
            right: true,
            head: <span className="sr-only">{t('restore.open')}</span>,
            cell: (hit) => {
              const row = byName.get(hit.resource)
              if (!row || !can('restore')) return null
              return (
                <IconButton
                  label={t('restore.open')}
                  onClick={() => setRestoring({ row, at: hit.restore_point, paths: [hit.path] })}
                >
                  <RotateCcw aria-hidden size={15} />
                </IconButton>
              )
            },
          },
        ]}
      />
      {restoring && <RestoreDialog what={restoring} onClose={() => setRestoring(undefined)} />}
    </>
  )
}

function Time({ hit }: { hit: Hit }) {
  const time = hit.received ?? hit.modified
  return time ? <When time={time} /> : null
}

function Title({ hit, row }: { hit: Hit; row: Resource | undefined }) {
  const folder = hit.path.split('/').slice(0, -1).join('/')
  const text = <span className={hit.deleted ? 'line-through decoration-1' : ''}>{hit.title}</span>
  return (
    <span className="flex items-center gap-2.5">
      <EntryIcon kind={hit.kind} />
      <span className="min-w-0">
        {row ? (
          <Link
            {...resourceLink(row)}
            search={{
              at: hit.deleted ? hit.restore_point : undefined,
              path: folder || undefined,
              item: hit.id,
            }}
            className="block truncate font-medium text-accent hover:underline"
          >
            {text}
          </Link>
        ) : (
          <span className="block truncate font-medium">{text}</span>
        )}
        <span className="block truncate text-xs text-muted">
          {hit.resource} / {folder}
        </span>
      </span>
    </span>
  )
}
