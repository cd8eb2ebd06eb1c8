import { useTranslation } from 'react-i18next'
import type { Progress as Figures, Job } from '../../api/types'
import { locale } from '../../i18n'
import { bytes, count } from '../../i18n/format'
import { Badge, type Tone } from '../../ui/badge'
import { Progress } from '../../ui/progress'

const TONES: Record<string, Tone> = {
  queued: 'neutral',
  running: 'active',
  paused: 'paused',
  done: 'ended',
  failed: 'failed',
  cancelled: 'neutral',
}

const OUTCOMES: Record<string, Tone> = { complete: 'ok', failed: 'failed', damaged: 'failed' }

export function JobState({
  job,
  outcome,
}: {
  job: Pick<Job, 'state' | 'wanted' | 'error'>
  outcome?: string
}) {
  const { t } = useTranslation()
  if (job.wanted) return <Badge tone="paused">{t(`jobs.wanted_${job.wanted}`)}</Badge>
  // A list does not say what a job came to: only where that is known it is green.
  if (job.state === 'done' && outcome) {
    return <Badge tone={OUTCOMES[outcome] ?? 'warn'}>{t(`outcome.${outcome}`)}</Badge>
  }
  if (job.state === 'queued' && job.error) return <Badge tone="warn">{t('jobs.again')}</Badge>
  return <Badge tone={TONES[job.state] ?? 'neutral'}>{t(`state.${job.state}`)}</Badge>
}

/** Items where the worker counts them, else resources; undefined while neither is known. */
export function fraction(progress: Partial<Figures> | null | undefined): number | undefined {
  if (progress?.items) return (progress.items_done ?? 0) / progress.items
  if (progress?.resources) return (progress.resources_done ?? 0) / progress.resources
  return undefined
}

export function JobProgress({ job }: { job: Pick<Job, 'state' | 'progress' | 'kind'> }) {
  const { t } = useTranslation()
  const progress = job.progress as Partial<Figures> | null | undefined
  if (job.state !== 'running' && job.state !== 'paused') return null
  const parts = [
    progress?.resources
      ? t('jobs.resourcesOf', { done: progress.resources_done ?? 0, all: progress.resources })
      : '',
    progress?.items
      ? t('jobs.itemsOf', {
          done: count(progress.items_done ?? 0, locale()),
          all: count(progress.items, locale()),
        })
      : '',
    progress?.bytes ? bytes(progress.bytes, locale()) : '',
  ]
  return (
    <div className="grid min-w-40 gap-1">
      <Progress value={fraction(progress)} label={t(`kind.${job.kind}`)} />
      <p className="text-sm text-muted">{parts.filter(Boolean).join(' · ') || t('jobs.begins')}</p>
    </div>
  )
}
