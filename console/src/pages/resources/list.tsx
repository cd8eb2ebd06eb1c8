import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Inbox } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { objectives, resources } from '../../api/queries'
import { call } from '../../api/request'
import type { Attained, Resource } from '../../api/types'
import { usePoll } from '../../app/events'
import { useCan, useTenant } from '../../app/me'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Select } from '../../ui/field'
import { Card, Page } from '../../ui/page'
import { EmptyState, Loaded } from '../../ui/states'
import { VirtualTable } from '../../ui/table'
import { Ago, Count } from '../../ui/time'
import { toast } from '../../ui/toast'
import { type Filter, filter, join, type Known } from './filter'
import { resourceLink } from './link'
import { Standing } from './standing'
import { WORKLOADS, WorkloadIcon } from './workload'

export function Resources() {
  const { t } = useTranslation()
  const tenant = useTenant()
  const poll = usePoll()
  const search = useSearch({ strict: false }) as Filter
  const list = useQuery({ ...resources(tenant), refetchInterval: poll && 30_000 })
  const attained = useQuery({ ...objectives(tenant), refetchInterval: poll && 30_000 })
  const all = list.data && join(list.data, attained.data ?? [])
  const rows = all && filter(all, search)
  return (
    <Page
      title={t('nav.resources')}
      lead={
        rows && all && rows.length !== all.length
          ? t('resources.countOf', { shown: rows.length, count: all.length })
          : all && t('resources.count', { count: all.length })
      }
      actions={
        <>
          <AsCli text={command('holdfast', 'resources', '--offline', tenant && '--tenant', tenant)} />
          <Discover tenant={tenant} />
        </>
      }
    >
      <Filters search={search} />
      <Card flush>
        <Loaded query={{ ...list, data: rows }} lines={10}>
          {(shown) =>
            shown.length === 0 ? (
              <EmptyState
                icon={<Inbox aria-hidden size={24} />}
                title={all?.length === 0 ? t('resources.none') : t('resources.noMatch')}
                text={all?.length === 0 ? t('resources.noneText') : t('resources.noMatchText')}
              />
            ) : (
              <Rows rows={shown} />
            )
          }
        </Loaded>
      </Card>
    </Page>
  )
}

function Filters({ search }: { search: Filter }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const set = (change: Filter) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }), replace: true })
  return (
    <search className="flex flex-wrap items-center gap-2">
      <input
        type="search"
        aria-label={t('resources.byName')}
        placeholder={t('resources.byName')}
        value={search.name ?? ''}
        onChange={(event) => set({ name: event.target.value || undefined })}
        className="h-8 w-72 max-w-full rounded-md border border-edge bg-surface px-2.5 placeholder:text-muted"
      />
      <Select
        bare
        label={t('resources.kind')}
        value={search.workload ?? ''}
        onValue={(workload) => set({ workload: workload || undefined })}
        options={[
          { value: '', label: t('resources.allKinds') },
          ...WORKLOADS.map((value) => ({ value, label: t(`workload.${value}`) })),
        ]}
      />
      <Select
        bare
        label={t('resources.standing')}
        value={search.standing ?? ''}
        onValue={(standing) => set({ standing: standing || undefined })}
        options={[
          { value: '', label: t('resources.allStandings') },
          ...['kept', 'missed', 'first', 'unavailable', 'skipped', 'stale'].map((value) => ({
            value,
            label: t(`standing.${value}`),
          })),
        ]}
      />
    </search>
  )
}

function Rows({ rows }: { rows: Known[] }) {
  const { t } = useTranslation()
  return (
    <VirtualTable
      label={t('nav.resources')}
      rows={rows}
      id={(row) => row.tenant + row.id}
      className="max-h-[calc(100dvh-13rem)]"
      columns={[
        {
          key: 'name',
          head: t('resources.name'),
          width: 'minmax(14rem,2fr)',
          cell: (row) => <Name row={row} />,
        },
        {
          key: 'standing',
          head: t('resources.standing'),
          width: 'minmax(9rem,1fr)',
          cell: (row) => <Standing resource={row} attained={row.attained} />,
        },
        {
          key: 'point',
          head: t('resources.point'),
          width: 'minmax(8rem,1fr)',
          cell: (row) => (row.restore_point ? <Ago time={row.restore_point} /> : '–'),
        },
        {
          key: 'schedule',
          wideOnly: true,
          head: t('resources.schedule'),
          width: 'minmax(8rem,1fr)',
          cell: (row) => scheduleOf(row.attained),
        },
        {
          key: 'missed',
          wideOnly: true,
          head: t('resources.missed'),
          width: '7rem',
          right: true,
          cell: (row) => <Count value={row.attained?.missed ?? 0} />,
        },
      ]}
    />
  )
}

function scheduleOf(attained: Attained | undefined) {
  return attained ? `${attained.schedule} · ${attained.rpo}` : '–'
}

function Name({ row }: { row: Resource }) {
  return (
    <span className="flex items-center gap-2.5">
      <WorkloadIcon workload={row.workload} />
      <span className="min-w-0">
        <Link {...resourceLink(row)} className="block truncate font-medium text-accent hover:underline">
          {row.display_name || row.name}
        </Link>
        <span className="block truncate text-xs text-muted">{row.name}</span>
      </span>
    </span>
  )
}

/** Asks the tenants who and what is there now. */
function Discover({ tenant }: { tenant?: string }) {
  const { t } = useTranslation()
  const can = useCan()
  const ask = useMutation({
    mutationFn: (name: string) => call('post', '/api/v1/discoveries', { body: { tenant: name } }),
    onSuccess: () => toast(t('jobs.queued')),
    onError: (error) => toast(error.message, { bad: true }),
  })
  const tenants = useQuery(resources(tenant)).data?.map((one) => one.tenant)
  const one = tenant ?? (new Set(tenants).size === 1 ? tenants?.[0] : undefined)
  if (!can('run_backups') || !one) return null
  return (
    <Button busy={ask.isPending} onClick={() => ask.mutate(one)}>
      {t('resources.discover')}
    </Button>
  )
}
