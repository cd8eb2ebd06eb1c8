import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { TFunction } from 'i18next'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { resources } from '../../api/queries'
import type { JobDetail } from '../../api/types'
import { locale } from '../../i18n'
import { short } from '../../i18n/format'
import { Button } from '../../ui/button'
import { AsCli } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Check, Field, Select } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import { JobProgress, JobState } from '../jobs/state'
import { useRestore } from './follow'
import { Report } from './report'
import { commands, type Rule, sum, type Target, type What } from './request'

export type { What }

const RULES: Rule[] = ['skip', 'copy', 'replace']
/** Resources that can take each other's content. */
const FAMILIES = [['exchange'], ['onedrive', 'sharepoint']]

/** Where to, a dry run, the restore itself, what came of it. */
export function RestoreDialog({ what, onClose }: { what: What; onClose: () => void }) {
  const { t } = useTranslation()
  const [target, setTarget] = useState<Target>({ rule: 'skip', permissions: false })
  const dry = useRestore(true)
  const real = useRestore(false)
  const others = useTargets(what)
  const toName = others.find(({ id }) => id === target.to)?.name
  const step = real.asked || real.asking ? 'run' : dry.asked || dry.asking ? 'preview' : 'choose'
  const at = what.at ? short(what.at, locale()) : t('time.newest')
  return (
    <Dialog
      wide
      title={t('restore.title', { name: what.row.display_name || what.row.name })}
      description={`${describe(what, t)} · ${at}`}
      onClose={onClose}
      footer={
        <>
          <AsCli text={commands(what, target, toName)} />
          <span className="flex-1" />
          {step === 'choose' && (
            <Button look="primary" busy={dry.asking} onClick={() => dry.ask({ what, target })}>
              {t('restore.preview')}
            </Button>
          )}
          {step === 'preview' && (
            <>
              <Button onClick={dry.reset}>{t('common.back')}</Button>
              <Button
                look="primary"
                disabled={!dry.over || sum(dry.reports).restored === 0}
                busy={real.asking}
                onClick={() => real.ask({ what, target })}
              >
                {t('restore.run')}
              </Button>
            </>
          )}
          {step === 'run' && (
            <Button look={real.over ? 'primary' : 'plain'} onClick={onClose}>
              {t('common.close')}
            </Button>
          )}
        </>
      }
    >
      {step === 'choose' && (
        <>
          {dry.error && <ErrorState error={dry.error} />}
          <Choose what={what} target={target} others={others} onTarget={setTarget} />
        </>
      )}
      {step === 'preview' && (
        <Stage run={dry} waiting={t('restore.previewing')} heading={t('restore.wouldTitle')} />
      )}
      {step === 'run' && (
        <Stage
          run={real}
          waiting={t('restore.running')}
          heading={t('restore.doneTitle')}
          note={t('jobs.mayClose')}
        />
      )}
    </Dialog>
  )
}

function describe({ paths }: What, t: TFunction): string {
  const [first] = paths
  if (paths.length > 1) return t('restore.many', { count: paths.length })
  return first ?? t('restore.whole')
}

function useTargets({ row }: What) {
  const family = FAMILIES.find((each) => each.includes(row.workload)) ?? [row.workload]
  const all = useQuery(resources(row.tenant)).data ?? []
  return all.filter((one) => one.status === 'active' && one.id !== row.id && family.includes(one.workload))
}

interface ChooseProps {
  what: What
  target: Target
  others: { id: string; name: string; display_name: string }[]
  onTarget: (target: Target) => void
}

function Choose({ what, target, others, onTarget }: ChooseProps) {
  const { t } = useTranslation()
  const files = what.row.workload !== 'exchange'
  return (
    <div className="grid gap-5">
      <div className="grid gap-4 sm:grid-cols-2">
        <Select
          label={t('restore.target')}
          value={target.to ?? ''}
          onValue={(to) => onTarget({ ...target, to: to || undefined })}
          options={[
            { value: '', label: t('restore.original') },
            ...others.map(({ id, name, display_name }) => ({
              value: id,
              label: `${display_name} (${name})`,
            })),
          ]}
        />
        <Field
          label={t('restore.into')}
          hint={t('restore.intoHint')}
          placeholder={t('restore.samePlace')}
          value={target.into ?? ''}
          onChange={(event) => onTarget({ ...target, into: event.target.value || undefined })}
        />
      </div>
      <fieldset className="grid gap-2">
        <legend className="mb-1.5 font-medium">{t('restore.conflict')}</legend>
        {RULES.map((rule) => (
          <Check
            key={rule}
            kind="radio"
            name="rule"
            label={t(`restore.rule_${rule}`)}
            hint={t(`restore.ruleHint_${rule}`)}
            checked={target.rule === rule}
            onChecked={() => onTarget({ ...target, rule })}
          />
        ))}
      </fieldset>
      {files && (
        <Check
          label={t('restore.permissions')}
          hint={t('restore.permissionsHint')}
          checked={target.permissions}
          onChecked={(permissions) => onTarget({ ...target, permissions })}
        />
      )}
    </div>
  )
}

interface StageProps {
  run: ReturnType<typeof useRestore>
  waiting: string
  heading: string
  note?: string
}

function Stage({ run, waiting, heading, note }: StageProps) {
  const failed = run.jobs.filter(({ state }) => state === 'failed' || state === 'cancelled')
  return (
    <div className="grid gap-4" aria-live="polite">
      {run.error && <ErrorState error={run.error} />}
      {!run.over && !run.error && (
        <>
          <p className="font-medium">{waiting}</p>
          {run.jobs.map((job) => (
            <JobLine key={job.id} job={job} />
          ))}
          {note && <p className="text-muted">{note}</p>}
        </>
      )}
      {run.over && (
        <>
          {failed.map((job) => (
            <div key={job.id} className="rounded-md border border-danger bg-danger-soft px-3 py-2">
              <JobState job={job} /> <span className="break-words">{job.error}</span>
            </div>
          ))}
          {run.reports.length > 0 && (
            <>
              <h3 className="text-lg font-semibold">{heading}</h3>
              <Report reports={run.reports} />
            </>
          )}
          <JobLinks jobs={run.jobs} />
        </>
      )}
    </div>
  )
}

function JobLine({ job }: { job: JobDetail }) {
  return (
    <div className="grid gap-2 rounded-md border border-line px-3 py-2">
      <div>
        <JobState job={job} />
      </div>
      <JobProgress job={job} />
    </div>
  )
}

function JobLinks({ jobs }: { jobs: JobDetail[] }) {
  const { t } = useTranslation()
  return (
    <p className="flex flex-wrap gap-x-3 text-sm">
      {jobs.map((job, index) => (
        <Link key={job.id} to="/jobs/$id" params={{ id: job.id }} className="text-accent hover:underline">
          {jobs.length === 1 ? t('jobs.show') : t('jobs.showOne', { number: index + 1 })}
        </Link>
      ))}
    </p>
  )
}
