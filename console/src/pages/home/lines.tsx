import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { jobs } from '../../api/queries'
import { useCan } from '../../app/me'
import { locale } from '../../i18n'
import { span } from '../../i18n/format'
import { Badge, type Tone } from '../../ui/badge'
import { Button, buttonClass } from '../../ui/button'
import { Card } from '../../ui/page'
import { Ago } from '../../ui/time'
import { useBackup } from '../jobs/act'
import { resourceLink } from '../resources/link'
import { lateness, type Verdict } from './verdict'

/** Lines of one kind that are shown; the list of resources has the others. */
const SHOWN = 8
const DAY = 86_400_000

/** Everything that is not as it should be, each with one thing to do. */
export function Lines({ verdict, tenant }: { verdict: Verdict; tenant?: string }) {
  const { t } = useTranslation()
  const can = useCan()
  const backup = useBackup()
  const failed = useInfiniteQuery(jobs({ tenant, state: 'failed' })).data?.pages[0]?.entries ?? []
  const recent = failed.filter(({ finished_at }) => finished_at && Date.now() - Date.parse(finished_at) < DAY)
  const late = verdict.stand.attention
  const more = verdict.atRisk - Math.min(late.length, SHOWN)
  if (verdict.faults.length + late.length + recent.length === 0) return null
  return (
    <Card title={t('home.todo')} flush>
      <ul className="divide-y divide-line">
        {verdict.faults.map((fault) => (
          <Line
            key={fault.subject}
            tone="danger"
            word={t('home.finding')}
            title={fault.subject}
            text={fault.detail}
          >
            <Link to="/system" className={buttonClass('plain', true)}>
              {t('home.look')}
            </Link>
          </Line>
        ))}
        {late.slice(0, SHOWN).map((one) => (
          <Line
            key={one.tenant + one.id}
            tone={one.standing === 'missed' ? 'danger' : 'warn'}
            word={t(`standing.${one.standing}`)}
            title={
              <Link {...resourceLink(one)} className="hover:underline">
                {one.name}
              </Link>
            }
            text={
              one.standing === 'missed'
                ? t('home.late', { by: span(lateness(one), locale()), rpo: one.rpo, schedule: one.schedule })
                : t('home.first')
            }
          >
            {can('run_backups') && (
              <Button
                small
                busy={backup.isPending}
                onClick={() => backup.mutate({ tenant: one.tenant, resource: one.id })}
              >
                {t('home.backUp')}
              </Button>
            )}
          </Line>
        ))}
        {more > 0 && (
          <li className="px-4 py-2.5">
            <Link
              to="/resources"
              search={{ standing: verdict.stand.resources.missed > 0 ? 'missed' : 'first' }}
              className="text-accent hover:underline"
            >
              {t('home.more', { count: more })}
            </Link>
          </li>
        )}
        {recent.slice(0, SHOWN).map((job) => (
          <Line
            key={job.id}
            tone="failed"
            word={t('state.failed')}
            title={`${t(`kind.${job.kind}`)} · ${job.tenant}`}
            text={
              <>
                {job.error} · <Ago time={job.finished_at ?? job.created_at} />
              </>
            }
          >
            <Link to="/jobs/$id" params={{ id: job.id }} className={buttonClass('plain', true)}>
              {t('home.look')}
            </Link>
          </Line>
        ))}
      </ul>
    </Card>
  )
}

function Line(props: { tone: Tone; word: string; title: ReactNode; text: ReactNode; children: ReactNode }) {
  return (
    <li className="flex items-center gap-4 px-4 py-2.5">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <Badge tone={props.tone}>{props.word}</Badge>
          <span className="min-w-0 font-medium break-words">{props.title}</span>
        </p>
        <p className="text-sm break-words text-muted">{props.text}</p>
      </div>
      {props.children}
    </li>
  )
}
