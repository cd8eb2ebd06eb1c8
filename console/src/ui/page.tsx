import { type ReactNode, useEffect } from 'react'

interface Props {
  title: string
  /** What stands above the title: where one is. */
  above?: ReactNode
  lead?: ReactNode
  actions?: ReactNode
  children: ReactNode
}

export function Page({ title, above, lead, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Holdfast`
  }, [title])
  return (
    <div className="mx-auto grid w-full max-w-[90rem] grid-cols-[minmax(0,1fr)] gap-5 px-4 py-5 md:px-8 md:py-6">
      <header className="flex flex-wrap items-end justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          {above}
          <h1 className="text-xl font-semibold break-words">{title}</h1>
          {lead && <div className="text-muted">{lead}</div>}
        </div>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  )
}

export function Card({
  title,
  actions,
  flush,
  children,
}: {
  title?: ReactNode
  actions?: ReactNode
  flush?: boolean
  children: ReactNode
}) {
  return (
    <section className={`min-w-0 rounded-lg border border-line bg-surface ${flush ? 'overflow-hidden' : ''}`}>
      {title && (
        <header className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1.5">
          <h2 className="font-semibold">{title}</h2>
          {actions}
        </header>
      )}
      <div className={flush ? '' : 'p-4'}>{children}</div>
    </section>
  )
}

/** Names and values, one under the other. */
export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(0,1fr)] gap-x-6 sm:grid-cols-[minmax(7rem,max-content)_minmax(0,1fr)] sm:gap-y-1.5">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 break-words max-sm:mb-2">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
