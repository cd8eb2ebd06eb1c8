import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Overview } from '../../api/types'
import { locale } from '../../i18n'
import { span } from '../../i18n/format'
import { Card } from '../../ui/page'
import { EmptyState } from '../../ui/states'
import { Bytes, Count } from '../../ui/time'

/** What the backups of the last 24 hours came to. */
export function LastDay({ day }: { day: Overview['day'] }) {
  const { t } = useTranslation()
  const figures: [string, ReactNode, boolean?][] = [
    [t('day24.runs'), <Count key="runs" value={day.runs} />],
    [t('day24.failed'), <Count key="failed" value={day.failed} />, day.failed > 0],
    [t('counts.items_new'), <Count key="new" value={day.items_new} />],
    [t('counts.items_changed'), <Count key="changed" value={day.items_changed} />],
    [t('counts.items_deleted'), <Count key="deleted" value={day.items_deleted} />],
    [t('counts.items_failed'), <Count key="items failed" value={day.items_failed} />, day.items_failed > 0],
    [t('day24.read'), <Bytes key="bytes" value={day.bytes} />],
    [t('jobs.waited'), day.waited_ms > 0 ? span(day.waited_ms, locale()) : '–'],
  ]
  return (
    <Card title={t('day24.title')} flush>
      {day.runs === 0 ? (
        <EmptyState title={t('day24.none')} />
      ) : (
        <dl className="grid grid-cols-2 gap-px bg-line md:grid-cols-4">
          {figures.map(([name, value, bad]) => (
            <div key={name} className="min-w-0 bg-surface px-5 py-2.5">
              <dt className="text-sm text-muted">{name}</dt>
              <dd className={`text-lg font-semibold ${bad ? 'text-danger' : ''}`}>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </Card>
  )
}
