import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Activity } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { type JobFilter, jobs } from '../../api/queries'
import type { Job } from '../../api/types'
import { usePoll } from '../../app/events'
import { useTenant } from '../../app/me'
import { locale } from '../../i18n'
import { span } from '../../i18n/format'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Select } from '../../ui/field'
import { Card, Page } from '../../ui/page'
import { EmptyState, Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Ago } from '../../ui/time'
import { MAINTENANCE } from './maintenance'
import { JobProgress, JobState } from './state'

const STATES = ['queued', 'running', 'paused', 'done', 'failed', 'cancelled']
const KINDS = ['backup', 'restore', 'discover', ...MAINTENANCE]

export function Jobs() {
  const { t } = useTranslation()
  const tenant = useTenant()
  const navigate = useNavigate()
  const { state, kind } = useSearch({ strict: false }) as JobFilter
  const list = useInfiniteQuery({ ...jobs({ tenant, state, kind }), refetchInterval: usePoll() })
  const set = (change: JobFilter) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }), replace: true })
  return (
    <Page
      title={t('nav.jobs')}
      lead={t('jobs.mayClose')}
      actions={
        <AsCli
          text={command('holdfast', 'job', 'list', state && '--state', state, tenant && '--tenant', tenant)}
        />
      }
    >
      <search className="flex flex-wrap gap-2">
        <Select
          bare
          label={t('jobs.state')}
          value={state ?? ''}
          onValue={(to) => set({ state: to || undefined })}
          options={[
            { value: '', label: t('jobs.allStates') },
            ...STATES.map((value) => ({ value, label: t(`state.${value}`) })),
          ]}
        />
        <Select
          bare
          label={t('jobs.kind')}
          value={kind ?? ''}
          onValue={(to) => set({ kind: to || undefined })}
          options={[
            { value: '', label: t('jobs.allKinds') },
            ...KINDS.map((value) => ({ value, label: t(`kind.${value}`) })),
          ]}
        />
      </search>
      <Card flush>
        <Loaded query={{ ...list, data: list.data?.pages.flatMap((page) => page.entries) }} lines={8}>
          {(rows) =>
            rows.length === 0 ? (
              <EmptyState icon={<Activity aria-hidden size={24} />} title={t('jobs.none')} />
            ) : (
              <Rows rows={rows} />
            )
          }
        </Loaded>
        {list.hasNextPage && (
          <div className="border-t border-line p-3 text-center">
            <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              {t('common.more')}
            </Button>
          </div>
        )}
      </Card>
    </Page>
  )
}

function Rows({ rows }: { rows: Job[] }) {
  const { t } = useTranslation()
  return (
    <Table
      label={t('nav.jobs')}
      rows={rows}
      id={(row) => row.id}
      columns={[
        {
          key: 'kind',
          head: t('jobs.kind'),
          cell: (row) => (
            <Link to="/jobs/$id" params={{ id: row.id }} className="font-medium text-accent hover:underline">
              {t(`kind.${row.kind}`)}
            </Link>
          ),
        },
        { key: 'tenant', head: t('shell.tenant'), cell: (row) => row.tenant },
        {
          key: 'state',
          head: t('jobs.state'),
          cell: (row) => (
            <div className="grid gap-1.5">
              <div>
                <JobState job={row} />
              </div>
              <JobProgress job={row} />
              {row.error && <p className="line-clamp-2 max-w-md text-sm text-muted">{row.error}</p>}
            </div>
          ),
        },
        { key: 'class', head: t('jobs.class'), wideOnly: true, cell: (row) => t(`class.${row.class}`) },
        { key: 'by', head: t('jobs.by'), wideOnly: true, cell: (row) => row.requested_by },
        { key: 'asked', head: t('jobs.asked'), cell: (row) => <Ago time={row.created_at} /> },
        { key: 'took', head: t('jobs.took'), right: true, cell: (row) => took(row) },
      ]}
    />
  )
}

export function took({ started_at, finished_at }: Pick<Job, 'started_at' | 'finished_at'>): string {
  if (!started_at || !finished_at) return '–'
  return span(Date.parse(finished_at) - Date.parse(started_at), locale())
}
