import { useVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useRef, useSyncExternalStore } from 'react'

export interface Column<T> {
  key: string
  head: ReactNode
  cell: (row: T) => ReactNode
  /** Width for the grid of a long list, such as `minmax(0,2fr)`. */
  width?: string
  right?: boolean
  /** Left out where there is no room. */
  wideOnly?: boolean
}

interface Props<T> {
  label: string
  columns: Column<T>[]
  rows: T[]
  id: (row: T) => string
}

const hidden = (column: { wideOnly?: boolean }) => (column.wideOnly ? 'max-lg:hidden' : '')

export function Table<T>({ label, columns, rows, id }: Props<T>) {
  return (
    <section aria-label={label} tabIndex={0} className="overflow-x-auto">
      <table className="w-full border-collapse text-left">
        <caption className="sr-only">{label}</caption>
        <thead>
          <tr className="border-b border-line text-xs text-muted">
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                className={`px-4 py-2 font-medium whitespace-nowrap ${column.right ? 'text-right' : ''} ${hidden(column)}`}
              >
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} className="border-b border-line last:border-0 hover:bg-sunken/60">
              {columns.map((column) => (
                <td
                  key={column.key}
                  className={`px-4 py-2 align-top ${column.right ? 'text-right' : ''} ${hidden(column)}`}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

interface ListProps<T> extends Props<T> {
  /** Height of a row in pixels. */
  height?: number
  chosen?: (row: T) => boolean
  onEnd?: () => void
  className?: string
}

/** A table of any length: only what is in sight is in the page. */
const WIDE = '(min-width: 64rem)'

function watchWidth(tell: () => void) {
  const query = window.matchMedia(WIDE)
  query.addEventListener('change', tell)
  return () => query.removeEventListener('change', tell)
}

function useWide(): boolean {
  return useSyncExternalStore(watchWidth, () => window.matchMedia(WIDE).matches)
}

export function VirtualTable<T>({
  label,
  columns: all,
  rows,
  id,
  height = 44,
  chosen,
  onEnd,
  className = '',
}: ListProps<T>) {
  const scroller = useRef<HTMLDivElement>(null)
  const fits = useWide()
  const columns = all.filter(({ wideOnly }) => fits || !wideOnly)
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
    onChange: (instance) => {
      const end = instance.getVirtualItems().at(-1)?.index ?? 0
      if (end >= rows.length - 20) onEnd?.()
    },
  })
  const wide = { gridTemplateColumns: columns.map(({ width = 'minmax(0,1fr)' }) => width).join(' ') }
  const cell = (column: Column<T>) =>
    `min-w-0 truncate px-2 first:pl-4 last:pr-4 ${column.right ? 'text-right' : ''}`
  return (
    <div
      ref={scroller}
      tabIndex={0}
      role="table"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      className={`overflow-auto ${className}`}
    >
      <div className="min-w-[30rem]">
        <div
          role="row"
          aria-rowindex={1}
          style={wide}
          className="sticky top-0 z-10 grid items-center border-b border-line bg-surface py-2 text-xs font-medium text-muted"
        >
          {columns.map((column) => (
            <div key={column.key} role="columnheader" className={cell(column)}>
              {column.head}
            </div>
          ))}
        </div>
        <div role="rowgroup" className="relative" style={{ height: list.getTotalSize() }}>
          {list.getVirtualItems().map((place) => {
            const row = rows[place.index]
            if (row === undefined) return null
            return (
              <div
                key={id(row)}
                role="row"
                aria-rowindex={place.index + 2}
                style={{ ...wide, height, transform: `translateY(${place.start}px)` }}
                className={`absolute inset-x-0 top-0 grid items-center border-b border-line hover:bg-sunken/60 ${chosen?.(row) ? 'bg-accent-soft' : ''}`}
              >
                {columns.map((column) => (
                  <div key={column.key} role="cell" className={cell(column)}>
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            )
          })}
        </div>
      </div>
    </div>
  )
}
