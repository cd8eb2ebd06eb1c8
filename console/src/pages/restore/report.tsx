import { useTranslation } from 'react-i18next'
import type { RestoreReport } from '../../api/types'
import { Bytes, Count } from '../../ui/time'
import { sum } from './request'

/** Items that are listed; the command line has all. */
const SHOWN = 100

/** What a restore came to, or would. */
export function Report({ reports }: { reports: RestoreReport[] }) {
  const { t } = useTranslation()
  const all = sum(reports)
  const dry = reports.every(({ dry_run }) => dry_run)
  const counts: [string, number, boolean?][] = [
    [dry ? t('report.wouldRestore') : t('report.restored'), all.restored],
    [t('report.unchanged'), all.unchanged],
    [t('report.conflicting'), all.conflicting],
    [t('report.skipped'), all.skipped],
    [t('report.failed'), all.failed, true],
  ]
  const losses = Object.entries(all.losses)
  const told = all.items.filter(({ result }) => result === 'failed' || result === 'skipped')
  return (
    <div className="grid gap-4">
      <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-md border border-line bg-line sm:grid-cols-3">
        {counts.map(([name, value, bad]) => (
          <div key={name} className="bg-surface px-3 py-2">
            <dt className="text-sm text-muted">{name}</dt>
            <dd className={`text-lg font-semibold ${bad && value > 0 ? 'text-danger' : ''}`}>
              <Count value={value} />
            </dd>
          </div>
        ))}
        <div className="bg-surface px-3 py-2">
          <dt className="text-sm text-muted">{t('browse.size')}</dt>
          <dd className="text-lg font-semibold">
            <Bytes value={all.bytes} />
          </dd>
        </div>
      </dl>
      {dry && all.restored === 0 && <p className="font-medium">{t('report.nothing')}</p>}
      {losses.length > 0 && (
        <section>
          <h3 className="font-medium">{t('report.losses')}</h3>
          <ul className="list-inside list-disc text-muted">
            {losses.map(([kind, many]) => (
              <li key={kind}>{t('report.loss', { kind: kind.replaceAll('_', ' '), count: many })}</li>
            ))}
          </ul>
        </section>
      )}
      {told.length > 0 && (
        <section>
          <h3 className="font-medium">{t('report.items')}</h3>
          <ul className="max-h-56 divide-y divide-line overflow-y-auto text-sm">
            {told.slice(0, SHOWN).map((item) => (
              <li key={item.path} className="py-1">
                <span className="break-all">{item.path}</span>
                <span className={`block ${item.result === 'failed' ? 'text-danger' : 'text-muted'}`}>
                  {item.detail ?? item.result}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  )
}
