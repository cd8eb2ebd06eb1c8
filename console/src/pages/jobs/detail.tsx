import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { CirclePause, CirclePlay, CircleX } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { job } from '../../api/queries'
import type { BackupReport, JobDetail, MaintenanceReport, RestoreReport } from '../../api/types'
import { usePoll } from '../../app/events'
import { useCan } from '../../app/me'
import { locale } from '../../i18n'
import { count, span } from '../../i18n/format'
import { Button } from '../../ui/button'
import { AsCli, Code, command } from '../../ui/cli'
import { Card, Facts, Page } from '../../ui/page'
import { Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Bytes, When } from '../../ui/time'
import { ended } from '../restore/follow'
import { Report } from '../restore/report'
import { type Act, actsOf, useJobAct } from './act'
import { took } from './list'
import { Maintained } from './maintained'
import { MAINTENANCE, outcomeOf } from './maintenance'
import { JobProgress, JobState } from './state'

const ICONS = { pause: CirclePause, resume: CirclePlay, cancel: CircleX }

export function JobPage() {
  const { t } = useTranslation()
  const { id } = useParams({ from: '/shell/jobs/$id' })
  const poll = usePoll()
  const found = useQuery({
    ...job(id),
    refetchInterval: ({ state }) => (ended(state.data?.state) ? false : poll && 2_000),
  })
  if (!found.data) {
    return (
      <Page title={t('jobs.one')}>
        <Loaded query={found}>{() => null}</Loaded>
      </Page>
    )
  }
  return <Known job={found.data} />
}

/** What a job is about: a tenant, or a vault. */
function about({ tenant, request }: JobDetail): string {
  return tenant || String((request as { vault?: unknown }).vault ?? '')
}

function Known({ job }: { job: JobDetail }) {
  const { t } = useTranslation()
  return (
    <Page
      title={`${t(`kind.${job.kind}`)} · ${about(job)}`}
      above={
        <Link to="/jobs" className="text-sm text-accent hover:underline">
          {t('nav.jobs')}
        </Link>
      }
      lead={
        <span className="flex flex-wrap items-center gap-3">
          <JobState job={job} outcome={outcomeOf(job.kind, job.result)} />
          {!ended(job.state) && t('jobs.mayClose')}
        </span>
      }
      actions={
        <>
          <AsCli text={command('holdfast', 'job', 'show', job.id)} />
          <Acts job={job} />
        </>
      }
    >
      {!ended(job.state) && (
        <Card>
          <JobProgress job={job} />
          {job.state === 'queued' && (
            <p className="text-muted">{job.error ? t('jobs.againText') : t('jobs.waits')}</p>
          )}
        </Card>
      )}
      {job.error && (
        <section role="alert" className="rounded-lg border border-danger bg-danger-soft px-4 py-3">
          <h2 className="font-semibold">{t('jobs.why')}</h2>
          <p className="break-words whitespace-pre-wrap">{job.error}</p>
          <p className="mt-1 text-muted">
            {job.state === 'queued' ? t('jobs.againText') : t('jobs.whyNext')}
          </p>
        </section>
      )}
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 xl:grid-cols-2">
        <Came job={job} />
        <Asked job={job} />
      </div>
      {job.steps.length > 0 && <Steps job={job} />}
    </Page>
  )
}

function Acts({ job }: { job: JobDetail }) {
  const { t } = useTranslation()
  const can = useCan()
  const act = useJobAct()
  if (!can('manage_jobs')) return null
  return actsOf(job).map((each: Act) => {
    const Icon = ICONS[each]
    return (
      <Button
        key={each}
        busy={act.isPending}
        icon={<Icon aria-hidden size={14} />}
        onClick={() => act.mutate({ id: job.id, act: each })}
      >
        {t(`jobs.${each}`)}
      </Button>
    )
  })
}

function Came({ job }: { job: JobDetail }) {
  const { t } = useTranslation()
  if (!job.result) return null
  return (
    <Card title={t('jobs.result')}>
      {job.kind === 'restore' ? (
        <Report reports={[job.result as unknown as RestoreReport]} />
      ) : job.kind === 'backup' ? (
        <BackupResult report={job.result as unknown as BackupReport} />
      ) : MAINTENANCE.includes(job.kind) ? (
        <Maintained kind={job.kind} report={job.result as unknown as MaintenanceReport} />
      ) : (
        <Code text={JSON.stringify(job.result, null, 2)} />
      )}
    </Card>
  )
}

function BackupResult({ report }: { report: BackupReport }) {
  const { t } = useTranslation()
  const { bytes = 0, ...counts } = report.counts ?? {}
  const facts: [string, ReactNode][] = [
    [t('home.resources'), count(report.resources ?? 0, locale())],
    ...Object.entries(counts).map(([name, value]): [string, ReactNode] => [
      t(`counts.${name}`),
      count(value, locale()),
    ]),
    [t('jobs.stored'), <Bytes key="bytes" value={bytes} />],
    [t('jobs.requests'), count(report.requests ?? 0, locale())],
    [t('jobs.waited'), span(report.waited_ms ?? 0, locale())],
  ]
  return (
    <div className="grid gap-4">
      <Facts facts={facts} />
      {(report.failures ?? []).length > 0 && (
        <section>
          <h3 className="mb-1 font-medium">{t('jobs.failures')}</h3>
          <Code text={JSON.stringify(report.failures, null, 2)} />
        </section>
      )}
    </div>
  )
}

/** What the title says already. */
const TOLD = ['work', 'tenant']

/** An entry of a list as `name value`. */
function plain(entry: unknown): string {
  if (typeof entry !== 'object' || entry === null) return String(entry)
  return Object.entries(entry)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' ')
}

function Value({ value }: { value: unknown }) {
  const { t } = useTranslation()
  if (value === true) return t('common.yes')
  if (Array.isArray(value)) return value.map(plain).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  const { time } = value as { time?: unknown }
  return typeof time === 'string' ? <When time={time} /> : JSON.stringify(value)
}

function Asked({ job }: { job: JobDetail }) {
  const { t } = useTranslation()
  const time = (at: string | null | undefined) => (at ? <When time={at} /> : '–')
  const request = Object.entries(job.request).filter(
    ([name, value]) => value !== null && value !== false && !TOLD.includes(name),
  )
  return (
    <Card title={t('jobs.request')}>
      <Facts
        facts={[
          ...request.map(([name, value]): [string, ReactNode] => [
            t(`request.${name}`, { defaultValue: name.replaceAll('_', ' ') }),
            <span key={name} className="break-all">
              <Value value={value} />
            </span>,
          ]),
          [t('jobs.by'), job.requested_by],
          [t('jobs.class'), t(`class.${job.class}`)],
          [t('jobs.asked'), time(job.created_at)],
          [t('jobs.began'), time(job.started_at)],
          [t('jobs.ended'), time(job.finished_at)],
          [t('jobs.took'), took(job)],
          [t('jobs.attempts'), String(job.attempts)],
          [
            t('jobs.id'),
            <span key="id" className="font-mono text-sm break-all">
              {job.id}
            </span>,
          ],
        ]}
      />
    </Card>
  )
}

function Steps({ job }: { job: JobDetail }) {
  const { t } = useTranslation()
  return (
    <Card title={t('jobs.steps')} flush>
      <Table
        label={t('jobs.steps')}
        rows={job.steps}
        id={(row) => row.name}
        columns={[
          { key: 'name', head: t('jobs.step'), cell: (row) => row.name },
          { key: 'done', head: t('jobs.ended'), cell: (row) => <When time={row.done_at} /> },
        ]}
      />
    </Card>
  )
}
