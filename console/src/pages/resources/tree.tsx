import { useInfiniteQuery } from '@tanstack/react-query'
import { ChevronRight, Folder, FolderOpen } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { items, type Place } from '../../api/queries'
import { ErrorState, Skeleton } from '../../ui/states'

interface Props {
  place: Place
  onPath: (path: string | undefined) => void
}

/** The folders of a restore point; those on the way to the present one are open. */
export function Tree({ place, onPath }: Props) {
  const { t } = useTranslation()
  return (
    <nav aria-label={t('browse.folders')}>
      <button
        type="button"
        aria-current={place.path === undefined ? 'true' : undefined}
        onClick={() => onPath(undefined)}
        className="flex h-8 w-full items-center gap-2 rounded-md px-2 text-left hover:bg-sunken aria-[current=true]:bg-accent-soft aria-[current=true]:font-medium"
      >
        {t('browse.all')}
      </button>
      <Level place={place} of={undefined} depth={0} onPath={onPath} />
    </nav>
  )
}

function Level({ place, of, depth, onPath }: Props & { of: string | undefined; depth: number }) {
  const list = useInfiniteQuery(items({ ...place, path: of }))
  if (list.error && depth === 0) return <ErrorState error={list.error} />
  if (!list.data) return depth === 0 ? <Skeleton lines={4} /> : null
  const folders = list.data.pages.flatMap((page) => page.entries).filter(({ kind }) => kind === 'folder')
  return (
    <ul>
      {folders.map((folder) => (
        <Branch
          key={folder.path}
          title={folder.title}
          path={folder.path}
          place={place}
          depth={depth}
          onPath={onPath}
        />
      ))}
    </ul>
  )
}

function Branch({
  title,
  path,
  place,
  depth,
  onPath,
}: Props & { title: string; path: string; depth: number }) {
  const { t } = useTranslation()
  const here = place.path === path
  const leads = here || (place.path?.startsWith(`${path}/`) ?? false)
  const [toggled, setToggled] = useState<boolean>()
  const open = toggled ?? leads
  const Icon = open ? FolderOpen : Folder
  return (
    <li>
      <div
        style={{ paddingLeft: `${depth * 14}px` }}
        className={`flex h-8 items-center rounded-md hover:bg-sunken ${here ? 'bg-accent-soft font-medium' : ''}`}
      >
        <button
          type="button"
          aria-expanded={open}
          aria-label={t('browse.open', { name: title })}
          onClick={() => setToggled(!open)}
          className="flex size-6 shrink-0 items-center justify-center rounded-sm text-muted"
        >
          <ChevronRight aria-hidden size={14} className={open ? 'rotate-90' : ''} />
        </button>
        <button
          type="button"
          aria-current={here ? 'true' : undefined}
          onClick={() => onPath(path)}
          className="flex h-8 min-w-0 flex-1 items-center gap-1.5 pr-2 text-left"
        >
          <Icon aria-hidden size={14} className="shrink-0 text-muted" />
          <span className="truncate">{title}</span>
        </button>
      </div>
      {open && <Level place={place} of={path} depth={depth + 1} onPath={onPath} />}
    </li>
  )
}
