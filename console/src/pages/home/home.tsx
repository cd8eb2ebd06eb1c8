import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CircleCheck, OctagonAlert, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { findings, jobs, objectives, overview, vaults } from '../../api/queries'
import { usePoll } from '../../app/events'
import { useCan, useTenant } from '../../app/me'
import { locale } from '../../i18n'
import { span } from '../../i18n/format'
import { Tag } from '../../ui/badge'
import { buttonClass } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Card, Page } from '../../ui/page'
import { EmptyState, ErrorState, Loaded, Skeleton } from '../../ui/states'
import { Ago, Count } from '../../ui/time'
import { JobProgress, JobState } from '../jobs/state'
import { LastDay } from './day'
import { Lines } from './lines'
import { judge, type Stand, standOf, type Verdict } from './verdict'

export function Home() {
  const { t } = useTranslation()
  const can = useCan()
  const tenant = useTenant()
  const [stand, checks] = [useStand(tenant), useChecks()]
  const failure = stand.error ?? checks.error
  const known = stand.data && (checks.data || !can('view_system'))
  return (
    <Page
      title={t('nav.home')}
      actions={<AsCli text={command('holdfast', 'schedule', 'status', tenant && '--tenant', tenant)} />}
    >
      {failure && (
        <ErrorState error={failure} onRetry={() => void Promise.all([stand.refetch(), checks.refetch()])} />
      )}
      {!failure && !known && <Skeleton lines={8} />}
      {stand.data && known && <Overview verdict={judge(stand.data, checks.data ?? [])} tenant={tenant} />}
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 xl:grid-cols-2">
        <Running tenant={tenant} />
        {can('view_system') && <Where />}
      </div>
    </Page>
  )
}

function useStand(tenant: string | undefined) {
  const refetchInterval = usePoll() || 60_000
  const all = useQuery({ ...overview, enabled: tenant === undefined, refetchInterval })
  const one = useQuery({
    ...objectives(tenant),
    enabled: tenant !== undefined,
    refetchInterval,
    select: standOf,
  })
  return tenant === undefined ? { ...all, data: all.data as Stand | undefined } : one
}

function useChecks() {
  const can = useCan()
  return useQuery({ ...findings, enabled: can('view_system'), refetchInterval: 300_000 })
}

function Overview({ verdict, tenant }: { verdict: Verdict; tenant?: string }) {
  const { t } = useTranslation()
  const { resources, worst, day } = verdict.stand
  return (
    <>
      <Banner verdict={verdict} />
      <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-lg border border-line bg-line lg:grid-cols-4">
        <Figure
          name={t('home.protected')}
          value={<Count value={resources.kept} />}
          note={t('home.protectedNote')}
          to="kept"
        />
        <Figure
          name={t('home.overdue')}
          value={<Count value={resources.missed} />}
          note={t('home.overdueNote')}
          to="missed"
          bad={resources.missed > 0}
        />
        <Figure
          name={t('home.unprotected')}
          value={<Count value={resources.first} />}
          note={t('home.unprotectedNote')}
          to="first"
          bad={resources.first > 0}
        />
        <Figure
          name={t('home.worst')}
          value={worst?.attained_ms == null ? '–' : span(worst.attained_ms, locale())}
          note={worst ? worst.name : t('home.worstNone')}
        />
      </dl>
      <Lines verdict={verdict} tenant={tenant} />
      {day && <LastDay day={day} />}
    </>
  )
}

function Banner({ verdict }: { verdict: Verdict }) {
  const { t } = useTranslation()
  const { safe, atRisk, total, faults } = verdict
  const { kept, unavailable } = verdict.stand.resources
  const [Icon, look, title] = safe
    ? ([CircleCheck, 'text-ok', t('home.safe')] as const)
    : atRisk > 0
      ? ([OctagonAlert, 'text-danger', t('home.atRisk', { count: atRisk })] as const)
      : ([
          TriangleAlert,
          'text-warn',
          total === 0 ? t('home.nothing') : t('home.faults', { count: faults.length }),
        ] as const)
  const edge = safe ? 'border-l-ok' : atRisk > 0 ? 'border-l-danger' : 'border-l-warn'
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
          {total === 0
            ? t('home.nothingText')
            : safe
              ? t('home.safeText', { count: total })
              : t('home.riskText', { kept, count: total })}
          {unavailable > 0 && ` ${t('home.unavailable', { count: unavailable })}`}
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
                      {job.tenant && <Tag>{job.tenant}</Tag>}
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
