import { CalendarDays, ChevronLeft, ChevronRight } from 'lucide-react'
import { type KeyboardEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Snapshot } from '../../api/types'
import { locale } from '../../i18n'
import { exact, short } from '../../i18n/format'
import { Badge } from '../../ui/badge'
import { Button, IconButton } from '../../ui/button'
import { Popover } from '../../ui/menu'
import { Ago } from '../../ui/time'
import { byDay, chosenPoint, dayOf, nearest, share, weeks } from './place'

interface Props {
  points: Snapshot[]
  at: string | undefined
  /** `undefined` is the newest. */
  onAt: (at: string | undefined) => void
}

/** Which restore point is shown: arrows, a timeline, a calendar. */
export function TimeBar({ points, at, onAt }: Props) {
  const { t } = useTranslation()
  const index = chosenPoint(points, at)
  const point = points[index]
  const last = points.length - 1
  const choose = (to: number) => onAt(to === last ? undefined : points[to]?.time)
  return (
    <section aria-label={t('time.title')} className="rounded-lg border border-line bg-surface px-3 py-2">
      <div className="flex flex-wrap items-center gap-1">
        <IconButton label={t('time.before')} disabled={index <= 0} onClick={() => choose(index - 1)}>
          <ChevronLeft aria-hidden size={16} />
        </IconButton>
        <IconButton label={t('time.after')} disabled={index >= last} onClick={() => choose(index + 1)}>
          <ChevronRight aria-hidden size={16} />
        </IconButton>
        <p className="ml-1 flex flex-wrap items-center gap-x-2">
          <span className="font-medium">{point ? short(point.time, locale()) : t('time.beforeFirst')}</span>
          {point && (
            <span className="text-muted">
              <Ago time={point.time} />
            </span>
          )}
          {index === last && point && <Badge tone="ok">{t('time.newest')}</Badge>}
          {point?.kind === 'checkpoint' && <Badge tone="warn">{t('time.incomplete')}</Badge>}
        </p>
        <div className="flex-1" />
        <span className="text-sm text-muted max-lg:hidden">{t('time.count', { count: points.length })}</span>
        <Popover
          trigger={
            <Button look="quiet" icon={<CalendarDays aria-hidden size={14} />}>
              {t('time.calendar')}
            </Button>
          }
        >
          <Calendar
            points={points}
            at={point?.time}
            onAt={(time) => onAt(time === points[last]?.time ? undefined : time)}
          />
        </Popover>
      </div>
      {points.length > 1 && <Timeline points={points} index={index} onIndex={choose} />}
    </section>
  )
}

const STEPS: Record<string, (index: number, last: number) => number> = {
  ArrowLeft: (index) => index - 1,
  ArrowDown: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  ArrowUp: (index) => index + 1,
  Home: () => 0,
  End: (_, last) => last,
}

function Timeline({
  points,
  index,
  onIndex,
}: {
  points: Snapshot[]
  index: number
  onIndex: (index: number) => void
}) {
  const { t } = useTranslation()
  const chosen = points[index]
  const last = points.length - 1
  const step = (event: KeyboardEvent) => {
    const to = STEPS[event.key]?.(index, last)
    if (to === undefined) return
    event.preventDefault()
    if (to >= 0 && to <= last) onIndex(to)
  }
  return (
    <div className="relative mx-1 mt-1 h-6">
      <svg aria-hidden="true" className="absolute inset-x-2 h-6 w-[calc(100%-1rem)] overflow-visible">
        <line x1="0" x2="100%" y1="12" y2="12" className="stroke-line" strokeWidth="2" />
        {points.map((point, at) => (
          <line
            key={point.id}
            x1={`${share(points, at) * 100}%`}
            x2={`${share(points, at) * 100}%`}
            y1={6}
            y2={18}
            strokeWidth={2}
            className="stroke-edge"
          />
        ))}
      </svg>
      <input
        type="range"
        min={0}
        max={1}
        step="any"
        value={share(points, Math.max(0, index))}
        onChange={(event) => onIndex(nearest(points, Number(event.target.value)))}
        onKeyDown={step}
        aria-label={t('time.title')}
        aria-valuetext={chosen ? exact(chosen.time, locale()) : ''}
        className="timeline absolute inset-0 h-6 w-full"
      />
    </div>
  )
}

/** The days of some week, Monday first: for their names. */
const WEEK = Array.from({ length: 7 }, (_, day) => new Date(2024, 0, day + 1))

function Calendar({
  points,
  at,
  onAt,
}: {
  points: Snapshot[]
  at: string | undefined
  onAt: (at: string) => void
}) {
  const { t } = useTranslation()
  const shown = new Date(at ?? points.at(-1)?.time ?? Date.now())
  const [month, setMonth] = useState(new Date(shown.getFullYear(), shown.getMonth(), 1))
  const days = byDay(points)
  const go = (by: number) => setMonth(new Date(month.getFullYear(), month.getMonth() + by, 1))
  const chosenDay = at && dayOf(at)
  return (
    <div className="grid gap-4 sm:grid-cols-[max-content_1fr]">
      <div>
        <div className="mb-2 flex items-center justify-between">
          <IconButton label={t('time.monthBefore')} onClick={() => go(-1)}>
            <ChevronLeft aria-hidden size={16} />
          </IconButton>
          <span className="font-medium">
            {month.toLocaleDateString(locale(), { month: 'long', year: 'numeric' })}
          </span>
          <IconButton label={t('time.monthAfter')} onClick={() => go(1)}>
            <ChevronRight aria-hidden size={16} />
          </IconButton>
        </div>
        <table className="border-separate border-spacing-0.5 text-center text-sm">
          <caption className="sr-only">{t('time.calendar')}</caption>
          <thead>
            <tr className="text-xs text-muted">
              {WEEK.map((day) => (
                <th key={day.getDate()} scope="col" className="font-medium">
                  {day.toLocaleDateString(locale(), { weekday: 'short' })}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {weeks(month.getFullYear(), month.getMonth()).map((week) => (
              <tr key={week.map((day) => day?.getDate() ?? '').join()}>
                {week.map((day, column) => {
                  const found = day && days.get(dayOf(day))
                  const newest = found?.at(-1)
                  return (
                    <td key={column} className="size-8">
                      {day &&
                        (newest ? (
                          <button
                            type="button"
                            aria-pressed={chosenDay === dayOf(day)}
                            aria-label={t('time.day', {
                              day: day.toLocaleDateString(locale()),
                              count: found?.length ?? 0,
                            })}
                            onClick={() => onAt(newest.time)}
                            className="size-8 rounded-md bg-accent-soft font-medium text-accent hover:bg-accent hover:text-on-accent aria-pressed:bg-accent aria-pressed:text-on-accent"
                          >
                            {day.getDate()}
                          </button>
                        ) : (
                          <span className="text-muted">{day.getDate()}</span>
                        ))}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <ul className="max-h-64 overflow-y-auto" aria-label={t('time.ofDay')}>
        {(chosenDay ? (days.get(chosenDay) ?? []) : []).toReversed().map((point) => (
          <li key={point.id}>
            <button
              type="button"
              aria-pressed={point.time === at}
              onClick={() => onAt(point.time)}
              className="w-full rounded-md px-2 py-1 text-left hover:bg-sunken aria-pressed:bg-accent-soft aria-pressed:font-medium"
            >
              {new Date(point.time).toLocaleTimeString(locale())}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
