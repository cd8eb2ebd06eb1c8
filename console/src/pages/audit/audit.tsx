import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { FileClock, ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type AuditFilter, audit } from '../../api/queries'
import { call } from '../../api/request'
import type { AuditEntry } from '../../api/types'
import { useTenant } from '../../app/me'
import { Badge, type Tone } from '../../ui/badge'
import { Button } from '../../ui/button'
import { AsCli, Code, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Select } from '../../ui/field'
import { Card, Facts, Page } from '../../ui/page'
import { EmptyState, ErrorState, Loaded } from '../../ui/states'
import { VirtualTable } from '../../ui/table'
import { When } from '../../ui/time'
import { Verified } from './verified'

const OUTCOMES = ['done', 'refused', 'failed', 'begun']
const TONES: Record<string, Tone> = { done: 'ok', refused: 'warn', failed: 'failed' }
const INPUT = 'h-8 rounded-md border border-edge bg-surface px-2.5 placeholder:text-muted'

export function Audit() {
  const { t } = useTranslation()
  const tenant = useTenant()
  const search = useSearch({ strict: false }) as AuditFilter
  const { since, until, actor, action, outcome, resource } = search
  const list = useInfiniteQuery(
    audit({ since: startOf(since), until: startOf(until), actor, action, outcome, resource, tenant }),
  )
  const [open, setOpen] = useState<AuditEntry>()
  const verify = useMutation({ mutationFn: () => call('post', '/api/v1/audit/verification') })
  return (
    <Page
      title={t('nav.audit')}
      lead={t('audit.lead')}
      actions={
        <>
          <AsCli text={command('holdfast', 'audit', 'list')} />
          <Button
            icon={<ShieldCheck aria-hidden size={14} />}
            busy={verify.isPending}
            onClick={() => verify.mutate()}
          >
            {verify.isPending ? t('audit.verifying') : t('audit.verify')}
          </Button>
        </>
      }
    >
      {verify.error && <ErrorState error={verify.error} />}
      {verify.data && <Verified result={verify.data} />}
      <Filters search={search} />
      <Card flush>
        <Loaded query={{ ...list, data: list.data?.pages.flatMap((page) => page.entries) }} lines={10}>
          {(rows) =>
            rows.length === 0 ? (
              <EmptyState icon={<FileClock aria-hidden size={24} />} title={t('audit.none')} />
            ) : (
              <Rows
                rows={rows}
                onOpen={setOpen}
                onEnd={() => list.hasNextPage && !list.isFetchingNextPage && void list.fetchNextPage()}
              />
            )
          }
        </Loaded>
      </Card>
      {open && <Entry entry={open} onClose={() => setOpen(undefined)} />}
    </Page>
  )
}

/** The beginning of a day, where the browser is. */
export function startOf(day: string | undefined): string | undefined {
  if (!day || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined
  return new Date(`${day}T00:00:00`).toISOString()
}

function Filters({ search }: { search: AuditFilter }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const set = (change: AuditFilter) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }), replace: true })
  const field = (key: 'actor' | 'action' | 'resource') => (
    <input
      type="search"
      aria-label={t(`audit.${key}`)}
      placeholder={t(`audit.${key}`)}
      value={search[key] ?? ''}
      onChange={(event) => set({ [key]: event.target.value || undefined })}
      className={`${INPUT} w-44`}
    />
  )
  const day = (key: 'since' | 'until') => (
    <label className="flex items-center gap-1.5 text-muted">
      {t(`audit.${key}`)}
      <input
        type="date"
        value={search[key] ?? ''}
        onChange={(event) => set({ [key]: event.target.value || undefined })}
        className={`${INPUT} text-text`}
      />
    </label>
  )
  return (
    <search className="flex flex-wrap items-center gap-2">
      {field('actor')}
      {field('action')}
      {field('resource')}
      <Select
        bare
        label={t('audit.outcome')}
        value={search.outcome ?? ''}
        onValue={(outcome) => set({ outcome: outcome || undefined })}
        options={[
          { value: '', label: t('audit.allOutcomes') },
          ...OUTCOMES.map((value) => ({ value, label: t(`auditOutcome.${value}`) })),
        ]}
      />
      {day('since')}
      {day('until')}
    </search>
  )
}

function Rows({
  rows,
  onOpen,
  onEnd,
}: {
  rows: AuditEntry[]
  onOpen: (entry: AuditEntry) => void
  onEnd: () => void
}) {
  const { t } = useTranslation()
  return (
    <VirtualTable
      label={t('nav.audit')}
      rows={rows}
      id={(row) => String(row.number)}
      height={38}
      onEnd={onEnd}
      className="max-h-[calc(100dvh-15rem)]"
      columns={[
        { key: 'number', wideOnly: true, width: '5rem', head: t('audit.number'), cell: (row) => row.number },
        {
          key: 'time',
          width: '12rem',
          head: t('audit.time'),
          cell: (row) => (row.time ? <When time={row.time} /> : '–'),
        },
        {
          key: 'actor',
          width: 'minmax(7rem,1fr)',
          head: t('audit.actor'),
          cell: (row) => row.actor_name || row.actor_kind,
        },
        {
          key: 'action',
          width: 'minmax(9rem,1.2fr)',
          head: t('audit.action'),
          cell: (row) => (
            <button
              type="button"
              onClick={() => onOpen(row)}
              className="font-medium text-accent hover:underline"
            >
              {row.action}
            </button>
          ),
        },
        {
          key: 'on',
          width: 'minmax(8rem,2fr)',
          head: t('audit.on'),
          cell: (row) => [row.tenant, ...row.resources].filter(Boolean).join(' · '),
        },
        {
          key: 'outcome',
          width: '8rem',
          head: t('audit.outcome'),
          cell: (row) => <Outcome outcome={row.outcome} />,
        },
        {
          key: 'from',
          wideOnly: true,
          width: 'minmax(7rem,1fr)',
          head: t('audit.from'),
          cell: (row) => row.from,
        },
      ]}
    />
  )
}

function Outcome({ outcome }: { outcome: string }) {
  const { t } = useTranslation()
  return (
    <Badge tone={TONES[outcome] ?? 'neutral'}>
      {t(`auditOutcome.${outcome}`, { defaultValue: outcome })}
    </Badge>
  )
}

function Entry({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const { t } = useTranslation()
  const details = Object.keys(entry.details).length > 0
  return (
    <Dialog wide title={`${entry.action} · ${entry.number}`} onClose={onClose}>
      <div className="grid gap-4">
        <Facts
          facts={[
            [t('audit.time'), entry.time ? <When key="time" time={entry.time} /> : '–'],
            [t('audit.actor'), `${entry.actor_name} (${entry.actor_kind})`],
            [t('audit.from'), entry.from],
            [t('audit.outcome'), <Outcome key="outcome" outcome={entry.outcome} />],
            ...(entry.cause ? [[t('audit.cause'), entry.cause] as [string, string]] : []),
            [t('shell.tenant'), entry.tenant || '–'],
            [t('audit.resource'), entry.resources.join(', ') || '–'],
            [t('audit.items'), entry.items.join(', ') || '–'],
            [
              t('audit.hash'),
              <span key="hash" className="font-mono text-sm break-all">
                {entry.hash}
              </span>,
            ],
          ]}
        />
        {details && <Code text={JSON.stringify(entry.details, null, 2)} />}
      </div>
    </Dialog>
  )
}
