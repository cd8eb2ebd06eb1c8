import { CircleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError } from '../api/request'
import { Button } from './button'

/** A failure: what, its code, and what to do. The one place that shows them. */
export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation()
  const known = error instanceof ApiError
  const code = known ? error.code : 'failed'
  const text = known && error.message !== '' ? error.message : t(`error.${code}`)
  const hint = known && error.hint ? error.hint : t(`error.${code}_hint`, { defaultValue: '' })
  return (
    <div role="alert" className="flex gap-3 rounded-lg border border-danger bg-danger-soft px-4 py-3">
      <CircleAlert aria-hidden size={16} className="mt-0.5 shrink-0 text-danger" />
      <div className="min-w-0 flex-1">
        <p className="font-medium break-words">{text}</p>
        {hint && <p className="break-words">{hint}</p>}
        {known && error.wait && <p>{t('error.wait', { count: error.wait })}</p>}
        <p className="mt-1 font-mono text-xs text-muted">{code}</p>
      </div>
      {onRetry && (
        <Button small onClick={onRetry}>
          {t('common.retry')}
        </Button>
      )}
    </div>
  )
}

export function EmptyState(props: { icon?: ReactNode; title: string; text?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-12 text-center">
      {props.icon && <div className="text-muted">{props.icon}</div>}
      <p className="font-medium">{props.title}</p>
      {props.text && <p className="max-w-prose text-muted">{props.text}</p>}
      {props.action}
    </div>
  )
}

export function Skeleton({ lines = 4 }: { lines?: number }) {
  const { t } = useTranslation()
  return (
    <div role="status" aria-label={t('common.loading')} className="grid gap-3 p-4">
      {Array.from({ length: lines }, (_, line) => (
        <div
          key={line}
          className={`h-4 animate-pulse rounded-sm bg-sunken ${line % 3 === 2 ? 'w-2/3' : ''}`}
        />
      ))}
    </div>
  )
}

interface Asked<T> {
  data: T | undefined
  error: unknown
  refetch: () => unknown
}

/** What was asked for, or that it is on its way, or why it is not. */
export function Loaded<T>({
  query,
  lines,
  children,
}: {
  query: Asked<T>
  lines?: number
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />
  return <Skeleton lines={lines} />
}
