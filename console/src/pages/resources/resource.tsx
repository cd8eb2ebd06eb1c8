import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { objectives, type Place, resource, restorePoints } from '../../api/queries'
import type { Resource as Row } from '../../api/types'
import { usePoll } from '../../app/events'
import { useCan } from '../../app/me'
import { Tag } from '../../ui/badge'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Page } from '../../ui/page'
import { EmptyState, Loaded } from '../../ui/states'
import { useBackup } from '../jobs/act'
import { RestoreDialog, type What } from '../restore/dialog'
import { Export } from './export'
import { ItemPanel } from './item-panel'
import { Crumbs, Items } from './items'
import { Standing } from './standing'
import { TimeBar } from './time-bar'
import { Tree } from './tree'
import { WorkloadName } from './workload'

interface Search {
  at?: string
  path?: string
  item?: string
}

export function ResourcePage() {
  const { t } = useTranslation()
  const { owner, workload, key } = useParams({ from: '/shell/resources/$owner/$workload/$key' })
  const id = `${workload}/${key}`
  const found = useQuery(resource(owner, id))
  if (!found.data) {
    return (
      <Page title={t('resources.one')}>
        <Loaded query={found}>{() => null}</Loaded>
      </Page>
    )
  }
  return <Known row={found.data} />
}

function Known({ row }: { row: Row }) {
  const { t } = useTranslation()
  const can = useCan()
  const navigate = useNavigate()
  const { at, path, item } = useSearch({ strict: false }) as Search
  const points = useQuery({ ...restorePoints(row.name), refetchInterval: usePoll() })
  const attained = useQuery(objectives(row.tenant)).data?.find(({ id }) => id === row.id)
  const [chosen, setChosen] = useState<Set<string>>(new Set())
  const [restoring, setRestoring] = useState<What>()
  const backup = useBackup()
  const go = (change: Search) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }) })
  const onPath = (to: string | undefined) => {
    setChosen(new Set())
    go({ path: to, item: undefined })
  }
  const place: Place = { tenant: row.tenant, resource: row.id, at, path }
  const restore = (paths: (string | undefined)[], when = at) => setRestoring({ row, at: when, paths })
  return (
    <Page
      title={row.display_name || row.name}
      above={
        <Link to="/resources" className="text-sm text-accent hover:underline">
          {t('nav.resources')}
        </Link>
      }
      lead={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <WorkloadName workload={row.workload} />
          <span className="break-all">{row.name}</span>
          <Tag>{row.tenant}</Tag>
          <Standing resource={row} attained={attained} />
        </span>
      }
      actions={
        <>
          <AsCli
            text={command(
              'holdfast',
              'ls',
              '--tenant',
              row.tenant,
              '--resource',
              row.name,
              at && '--at',
              at,
              path && '--path',
              path,
            )}
          />
          {can('run_backups') && (
            <Button
              busy={backup.isPending}
              onClick={() => backup.mutate({ tenant: row.tenant, resource: row.id })}
            >
              {t('home.backUp')}
            </Button>
          )}
          {row.restore_point && <Export place={place} name={row.name} />}
          {can('restore') && row.restore_point && (
            <Button look="primary" icon={<RotateCcw aria-hidden size={14} />} onClick={() => restore([path])}>
              {path ? t('restore.folder') : t('restore.all')}
            </Button>
          )}
        </>
      }
    >
      {!row.restore_point ? (
        <EmptyState
          title={t('resources.noPoint')}
          text={row.skip_cause ? t(`skip.${row.skip_cause}`) : t('resources.noPointText')}
        />
      ) : (
        <>
          <Loaded query={points} lines={1}>
            {(list) => <TimeBar points={list} at={at} onAt={(to) => go({ at: to })} />}
          </Loaded>
          {can('read_content') && (
            <div
              className={`grid overflow-hidden rounded-lg border border-line bg-surface md:grid-cols-[14rem_minmax(0,1fr)] ${item ? 'xl:grid-cols-[13rem_minmax(0,1fr)_28rem]' : ''}`}
            >
              <div className="overflow-y-auto border-line p-2 max-md:max-h-48 max-md:border-b md:border-r">
                <Tree place={place} onPath={onPath} />
              </div>
              <div className="flex min-w-0 flex-col">
                <div className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-3 py-1.5">
                  <Crumbs path={path} onPath={onPath} />
                  {chosen.size > 0 && (
                    <span className="flex items-center gap-2">
                      {t('browse.picked', { count: chosen.size })}
                      {can('restore') && (
                        <Button small look="primary" onClick={() => restore([...chosen])}>
                          {t('restore.picked')}
                        </Button>
                      )}
                      <Export
                        small
                        place={chosen.size === 1 ? { ...place, path: [...chosen][0] } : place}
                        name={row.name}
                        label={chosen.size === 1 ? undefined : t('export.folder')}
                      />
                      <Button small look="quiet" onClick={() => setChosen(new Set())}>
                        {t('browse.pickNone')}
                      </Button>
                    </span>
                  )}
                </div>
                <Items
                  place={place}
                  open={item}
                  chosen={chosen}
                  onChosen={setChosen}
                  onPath={onPath}
                  onItem={({ id }) => go({ item: id })}
                />
              </div>
              {item && (
                <div className="md:col-span-2 xl:col-span-1">
                  <ItemPanel
                    place={place}
                    item={item}
                    name={row.name}
                    onClose={() => go({ item: undefined })}
                    onAt={(to) => go({ at: to })}
                    onRestore={(one, when) => restore([one], when)}
                  />
                </div>
              )}
            </div>
          )}
        </>
      )}
      {restoring && <RestoreDialog what={restoring} onClose={() => setRestoring(undefined)} />}
    </Page>
  )
}
