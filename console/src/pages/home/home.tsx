import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleCheck, OctagonAlert, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { findings, jobs, objectives, vaults } from '../../api/queries'
import type { Attained, Finding } from '../../api/types'
import { usePoll } from '../../app/events'
import { useCan, useTenant } from '../../app/me'
import { locale } from '../../i18n'
import { span } from '../../i18n/format'
import { Tag } from '../../ui/badge'
import { buttonClass } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Card, Page } from '../../ui/page'
import { EmptyState, ErrorState, Loaded, Skeleton } from '../../ui/states'
import { Table } from '../../ui/table'
import { Ago, Count } from '../../ui/time'
import { JobProgress, JobState } from '../jobs/state'
import { WorkloadName } from '../resources/workload'
import { Lines } from './lines'
import { byWorkload, judge, type Verdict } from './verdict'

export function Home() {
  const { t } = useTranslation()
  const can = useCan()
  const tenant = useTenant()
  const poll = usePoll()
  const resources = useQuery({ ...objectives(tenant), refetchInterval: poll || 60_000 })
  const checks = useQuery({ ...findings, enabled: can('view_system'), refetchInterval: 300_000 })
  const failure = resources.error ?? checks.error
  const known = resources.data && (checks.data || !can('view_system'))
  return (
    <Page
      title={t('nav.home')}
      actions={<AsCli text={command('holdfast', 'schedule', 'status', tenant && '--tenant', tenant)} />}
    >
      {failure && (
        <ErrorState
          error={failure}
          onRetry={() => void Promise.all([resources.refetch(), checks.refetch()])}
        />
      )}
      {!failure && !known && <Skeleton lines={8} />}
      {known && <Overview resources={resources.data ?? []} checks={checks.data ?? []} tenant={tenant} />}
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 xl:grid-cols-2">
        <Running tenant={tenant} />
        {can('view_system') && <Where />}
      </div>
    </Page>
  )
}

function Overview({
  resources,
  checks,
  tenant,
}: {
  resources: Attained[]
  checks: Finding[]
  tenant?: string
}) {
  const { t } = useTranslation()
  const verdict = judge(resources, checks)
  const age = (value: number | null | undefined) => (value == null ? '–' : span(value, locale()))
  return (
    <>
      <Banner verdict={verdict} total={resources.length} />
      <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line lg:grid-cols-4">
        <Figure
          name={t('home.protected')}
          value={<Count value={verdict.protected.length} />}
          note={t('home.protectedNote')}
          to="kept"
        />
        <Figure
          name={t('home.overdue')}
          value={<Count value={verdict.overdue.length} />}
          note={t('home.overdueNote')}
          to="missed"
          bad={verdict.overdue.length > 0}
        />
        <Figure
          name={t('home.unprotected')}
          value={<Count value={verdict.unprotected.length} />}
          note={t('home.unprotectedNote')}
          to="first"
          bad={verdict.unprotected.length > 0}
        />
        <Figure
          name={t('home.worst')}
          value={age(verdict.worst?.attained_ms)}
          note={verdict.worst ? verdict.worst.name : t('home.worstNone')}
        />
      </dl>
      <Lines verdict={verdict} tenant={tenant} />
      <Card title={t('home.kinds')} flush>
        {resources.length === 0 ? (
          <EmptyState title={t('home.nothing')} text={t('home.nothingText')} />
        ) : (
          <Table
            label={t('home.kinds')}
            rows={byWorkload(resources)}
            id={(row) => row.workload}
            columns={[
              {
                key: 'kind',
                head: t('resources.kind'),
                cell: (row) => <WorkloadName workload={row.workload} />,
              },
              {
                key: 'all',
                head: t('home.resources'),
                right: true,
                cell: (row) => <Count value={row.total} />,
              },
              { key: 'kept', head: t('home.kept'), right: true, cell: (row) => <Count value={row.kept} /> },
              { key: 'old', head: t('home.oldest'), right: true, cell: (row) => age(row.oldest) },
            ]}
          />
        )}
      </Card>
    </>
  )
}

function Banner({ verdict, total }: { verdict: Verdict; total: number }) {
  const { t } = useTranslation()
  const bad = verdict.overdue.length + verdict.unprotected.length
  const [Icon, look, title] = verdict.safe
    ? ([CircleCheck, 'text-ok', t('home.safe')] as const)
    : bad > 0
      ? ([OctagonAlert, 'text-danger', t('home.atRisk', { count: bad })] as const)
      : ([
          TriangleAlert,
          'text-warn',
          total === 0 ? t('home.nothing') : t('home.faults', { count: verdict.faults.length }),
        ] as const)
  const edge = verdict.safe ? 'border-l-ok' : bad > 0 ? 'border-l-danger' : 'border-l-warn'
  return (
    <section
      aria-labelledby="verdict"
      className={`flex items-center gap-4 rounded-lg border border-l-4 border-line bg-surface px-5 py-4 ${edge}`}
    >
      <Icon aria-hidden size={32} className={`shrink-0 ${look}`} />
      <div>
        <h2 id="verdict" className="text-2xl font-semibold">
          {title}
        </h2>
        <p className="text-muted">
          {verdict.safe
            ? t('home.safeText', { count: total })
            : t('home.riskText', { kept: verdict.protected.length, count: total })}
          {verdict.unavailable.length > 0 &&
            ` ${t('home.unavailable', { count: verdict.unavailable.length })}`}
        </p>
      </div>
    </section>
  )
}

function Figure(props: { name: string; value: ReactNode; note: string; to?: string; bad?: boolean }) {
  const value = (
    <span className={`text-2xl font-semibold ${props.bad ? 'text-danger' : ''}`}>{props.value}</span>
  )
  return (
    <div className="min-w-0 bg-surface px-5 py-3.5">
      <dt className="text-muted">{props.name}</dt>
      <dd className="min-w-0">
        {props.to ? (
          <Link
            to="/resources"
            search={{ standing: props.to }}
            className="underline-offset-4 hover:underline"
          >
            <span className="sr-only">{props.name}: </span>
            {value}
          </Link>
        ) : (
          value
        )}
        <span className="block truncate text-sm text-muted" title={props.note}>
          {props.note}
        </span>
      </dd>
    </div>
  )
}

function Running({ tenant }: { tenant?: string }) {
  const { t } = useTranslation()
  const poll = usePoll()
  const list = useInfiniteQuery({ ...jobs({ tenant }), refetchInterval: poll })
  const under = (state: string) => ['running', 'queued', 'paused'].includes(state)
  return (
    <Card
      title={t('home.running')}
      flush
      actions={
        <Link to="/jobs" className={buttonClass('quiet', true)}>
          {t('home.allJobs')}
        </Link>
      }
    >
      <Loaded query={{ ...list, data: list.data?.pages.flatMap((page) => page.entries) }}>
        {(all) => {
          const live = all.filter(({ state }) => under(state))
          const rows = live.length > 0 ? live : all.slice(0, 5)
          if (rows.length === 0) return <EmptyState title={t('home.noJobs')} />
          return (
            <ul className="divide-y divide-line">
              {rows.slice(0, 8).map((job) => (
                <li key={job.id} className="grid gap-1.5 px-4 py-2.5">
                  <div className="flex flex-wrap items-center justify-between gap-2">
                    <span className="flex items-center gap-2">
                      <Link
                        to="/jobs/$id"
                        params={{ id: job.id }}
                        className="font-medium text-accent hover:underline"
                      >
                        {t(`kind.${job.kind}`)}
                      </Link>
                      <Tag>{job.tenant}</Tag>
                    </span>
                    <span className="flex items-center gap-3 text-sm text-muted">
                      <Ago time={job.finished_at ?? job.started_at ?? job.created_at} />
                      <JobState job={job} />
                    </span>
                  </div>
                  <JobProgress job={job} />
                </li>
              ))}
            </ul>
          )
        }}
      </Loaded>
    </Card>
  )
}

function Where() {
  const { t } = useTranslation()
  const list = useQuery(vaults)
  return (
    <Card title={t('home.where')} flush>
      <Loaded query={list}>
        {(rows) => (
          <ul className="divide-y divide-line">
            {rows.map((vault) => (
              <li key={vault.id} className="px-4 py-2.5">
                <div className="flex flex-wrap items-center justify-between gap-2">
                  <Link to="/vaults" className="font-medium text-accent hover:underline">
                    {vault.name}
                  </Link>
                  <Tag>
                    {vault.lock_mode
                      ? t('vaults.locked', { mode: vault.lock_mode, count: vault.lock_days ?? 0 })
                      : vault.append_only
                        ? t('vaults.appendOnly')
                        : t('vaults.unlocked')}
                  </Tag>
                </div>
                <p className="font-mono text-sm break-all text-muted">{vault.location}</p>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  )
}
