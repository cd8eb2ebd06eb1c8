import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { job } from '../../api/queries'
import { call } from '../../api/request'
import type { MaintenanceReport } from '../../api/types'
import { useCan } from '../../app/me'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Field } from '../../ui/field'
import { ErrorState, Skeleton } from '../../ui/states'
import { Maintained } from '../jobs/maintained'
import { going } from '../jobs/maintenance'
import { JobProgress, JobState } from '../jobs/state'
import { ended } from '../restore/follow'
import { type OfVault, useJob } from './acts'
import { type Rules, rulesOf } from './rules'

/** How often the trial is asked for beside the stream of events, in milliseconds. */
const LOOK = 1_000

/** First what would go, then the act itself: it cannot be undone. */
export function PruneDialog({ vault, onClose }: OfVault) {
  const { t } = useTranslation()
  const can = useCan()
  const [last, setLast] = useState('')
  const [within, setWithin] = useState('')
  const rules = rulesOf(last, within)
  const ask = (dry_run: boolean) =>
    call('post', '/api/v1/vaults/{vault}/prunes', { path: { vault }, body: { ...rules, dry_run } })
  const trial = useMutation({ mutationFn: () => ask(true) })
  const real = useJob(() => ask(false))
  const seen = useTrial(trial.data?.job)
  const report = seen.data?.result as MaintenanceReport | null | undefined
  const keepsAll = rules !== undefined && Object.keys(rules).length === 0
  const goes = report ? going(report).filter(({ verdict }) => verdict === 'forgotten').length : 0
  const error = real.error ?? trial.error ?? seen.error
  return (
    <Dialog
      wide
      title={t('maintain.pruneTitle', { name: vault })}
      description={t('maintain.pruneLead')}
      onClose={onClose}
      footer={
        <>
          <AsCli text={cli(vault, rules, !trial.data)} />
          <span className="flex-1" />
          {trial.data ? (
            <>
              <Button onClick={trial.reset}>{t('common.back')}</Button>
              <Button
                look={goes > 0 ? 'danger' : 'primary'}
                disabled={!report || (!keepsAll && !can('manage_policies'))}
                busy={real.isPending}
                onClick={() => real.mutate()}
              >
                {goes > 0 ? t('maintain.forget', { count: goes }) : t('maintain.tidy')}
              </Button>
            </>
          ) : (
            <Button look="primary" busy={trial.isPending} disabled={!rules} onClick={() => trial.mutate()}>
              {t('maintain.try')}
            </Button>
          )}
        </>
      }
    >
      <div className="grid gap-4" aria-live="polite">
        {error && <ErrorState error={error} />}
        {trial.data ? (
          <Trial query={seen} />
        ) : (
          <div className="grid gap-4 sm:grid-cols-2">
            <Field
              label={t('maintain.keepLast')}
              hint={t('maintain.keepLastHint')}
              inputMode="numeric"
              value={last}
              onChange={(event) => setLast(event.target.value)}
            />
            <Field
              label={t('maintain.keepWithin')}
              hint={t('maintain.keepWithinHint')}
              value={within}
              onChange={(event) => setWithin(event.target.value)}
            />
            <p className={`sm:col-span-2 ${rules ? 'text-muted' : 'text-danger'}`}>
              {!rules
                ? t('maintain.rulesWrong')
                : keepsAll
                  ? t('maintain.keepsAll')
                  : t('maintain.keepsSome')}
            </p>
          </div>
        )}
      </div>
    </Dialog>
  )
}

function cli(vault: string, rules: Rules | undefined, dry: boolean): string {
  const last = rules?.keep_last ? ['--keep-last', String(rules.keep_last)] : []
  const within = rules?.keep_within ? ['--keep-within', rules.keep_within] : []
  return command('holdfast', 'vault', 'prune', '--vault', vault, ...last, ...within, dry && '--dry-run')
}

function useTrial(id: string | undefined) {
  return useQuery({
    ...job(id ?? ''),
    enabled: id !== undefined,
    refetchInterval: ({ state }) => (ended(state.data?.state) ? false : LOOK),
  })
}

function Trial({ query: { data } }: { query: ReturnType<typeof useTrial> }) {
  const { t } = useTranslation()
  if (!data) return <Skeleton lines={3} />
  if (data.state === 'done' && data.result) {
    return (
      <>
        <h3 className="text-lg font-semibold">{t('restore.wouldTitle')}</h3>
        <Maintained kind="prune" report={data.result as unknown as MaintenanceReport} />
      </>
    )
  }
  return (
    <>
      <p>
        <JobState job={data} /> {data.error}
      </p>
      <JobProgress job={data} />
    </>
  )
}
