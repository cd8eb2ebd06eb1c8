import { useTranslation } from 'react-i18next'
import type { MaintenanceReport } from '../../api/types'
import { Badge } from '../../ui/badge'
import { Bytes, Count, When } from '../../ui/time'
import { damage, faults, figures, going } from './maintenance'

/** Lines that are listed; the command line has all. */
const SHOWN = 100

/** What the maintenance of a vault came to, or would. */
export function Maintained({ kind, report }: { kind: string; report: MaintenanceReport }) {
  const { t } = useTranslation()
  const wrong = faults(report)
  const damaged = report.shards.flatMap((shard) => shard.damaged ?? [])
  return (
    <div className="grid gap-4">
      <dl className="flex flex-wrap gap-px overflow-hidden rounded-md border border-line bg-line">
        {figures(kind, report).map(([key, value, bytes]) => (
          <div key={key} className="min-w-36 flex-1 bg-surface px-3 py-2">
            <dt className="text-sm text-muted">{t(`maintained.${key}`)}</dt>
            <dd
              className={`text-lg font-semibold ${['damaged', 'lost'].includes(key) && value > 0 ? 'text-danger' : ''}`}
            >
              {bytes ? <Bytes value={value} /> : <Count value={value} />}
            </dd>
          </div>
        ))}
      </dl>
      {damage(report) + wrong.length > 0 && (
        <section>
          <h3 className="font-medium">{t('maintained.wrong')}</h3>
          <ul className="max-h-56 divide-y divide-line overflow-y-auto text-sm">
            {wrong.slice(0, SHOWN).map((line, number) => (
              <li key={number} className="py-1 break-words">
                {line}
              </li>
            ))}
            {damaged.slice(0, SHOWN).map((item, number) => (
              <li key={number} className="py-1 break-all">
                {item.resource} · {item.title ?? item.path}
              </li>
            ))}
          </ul>
        </section>
      )}
      {kind === 'prune' && <Going report={report} />}
    </div>
  )
}

function Going({ report }: { report: MaintenanceReport }) {
  const { t } = useTranslation()
  const list = going(report)
  if (list.length === 0) return <p className="font-medium">{t('maintained.nothing')}</p>
  return (
    <section>
      <h3 className="font-medium">{t('maintained.snapshots')}</h3>
      <ul className="max-h-56 divide-y divide-line overflow-y-auto text-sm">
        {list.slice(0, SHOWN).map((one) => (
          <li key={one.id} className="flex items-center justify-between gap-2 py-1">
            <span>
              <When time={one.time} /> <span className="font-mono text-muted">{one.id.slice(0, 8)}</span>
            </span>
            {one.verdict === 'waits' && <Badge tone="paused">{t('maintained.waits')}</Badge>}
          </li>
        ))}
      </ul>
    </section>
  )
}
