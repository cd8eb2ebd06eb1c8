import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { schedules } from '../../api/queries'
import { call } from '../../api/request'
import type { Schedule } from '../../api/types'
import { client } from '../../app/client'
import { useCan, useTenant, useTenants } from '../../app/me'
import { Tag } from '../../ui/badge'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Card, Page } from '../../ui/page'
import { EmptyState, Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Count } from '../../ui/time'
import { toast } from '../../ui/toast'
import { ScheduleForm } from './form'

function refresh() {
  for (const key of ['schedules', 'objectives']) void client.invalidateQueries({ queryKey: [key] })
}

export function Schedules() {
  const { t } = useTranslation()
  const can = useCan()
  const tenant = useTenant()
  const list = useQuery(schedules(tenant))
  const tenants = useTenants().data ?? []
  const [editing, setEditing] = useState<Partial<Schedule>>()
  const [removing, setRemoving] = useState<Schedule>()
  return (
    <Page
      title={t('nav.schedules')}
      lead={t('schedules.lead')}
      actions={
        <>
          <AsCli text={command('holdfast', 'schedule', 'list', tenant && '--tenant', tenant)} />
          {can('manage_schedules') && tenants[0] && (
            <Button look="primary" onClick={() => setEditing({ tenant: tenant ?? tenants[0]?.name })}>
              {t('schedules.add')}
            </Button>
          )}
        </>
      }
    >
      <Card flush>
        <Loaded query={list}>
          {(rows) =>
            rows.length === 0 ? (
              <EmptyState title={t('schedules.none')} />
            ) : (
              <Rows rows={rows} onEdit={setEditing} onRemove={setRemoving} />
            )
          }
        </Loaded>
      </Card>
      {editing && (
        <Dialog
          title={editing.name ? t('schedules.edit', { name: editing.name }) : t('schedules.add')}
          onClose={() => setEditing(undefined)}
        >
          <ScheduleForm
            schedule={editing}
            onDone={() => {
              refresh()
              setEditing(undefined)
              toast(t('schedules.saved'))
            }}
          />
        </Dialog>
      )}
      {removing && <Remove schedule={removing} onClose={() => setRemoving(undefined)} />}
    </Page>
  )
}

interface RowsProps {
  rows: Schedule[]
  onEdit: (schedule: Schedule) => void
  onRemove: (schedule: Schedule) => void
}

function Rows({ rows, onEdit, onRemove }: RowsProps) {
  const { t } = useTranslation()
  const can = useCan()
  return (
    <Table
      label={t('nav.schedules')}
      rows={rows}
      id={(row) => `${row.tenant}/${row.name}`}
      columns={[
        {
          key: 'name',
          head: t('schedules.name'),
          cell: (row) => <span className="font-medium">{row.name}</span>,
        },
        { key: 'tenant', head: t('shell.tenant'), cell: (row) => row.tenant },
        { key: 'rpo', head: t('schedules.rpo'), cell: (row) => row.rpo },
        { key: 'for', head: t('schedules.for'), cell: (row) => <For schedule={row} /> },
        { key: 'hours', head: t('schedules.hours'), wideOnly: true, cell: (row) => <Hours schedule={row} /> },
        {
          key: 'followers',
          head: t('home.resources'),
          right: true,
          cell: (row) => <Count value={row.followers} />,
        },
        {
          key: 'act',
          head: <span className="sr-only">{t('common.actions')}</span>,
          right: true,
          cell: (row) =>
            can('manage_schedules') && (
              <span className="inline-flex gap-2">
                <Button small onClick={() => onEdit(row)}>
                  {t('common.edit')}
                </Button>
                {row.is_set && (
                  <Button small look="quiet" onClick={() => onRemove(row)}>
                    {t('common.remove')}
                  </Button>
                )}
              </span>
            ),
        },
      ]}
    />
  )
}

function For({ schedule }: { schedule: Schedule }) {
  const { t } = useTranslation()
  const { workloads = [], resources = [] } = schedule.select
  if (workloads.length + resources.length === 0) return t('schedules.everything')
  return (
    <span className="flex flex-wrap gap-1">
      {workloads.map((one) => (
        <Tag key={one}>{t(`workload.${one}`)}</Tag>
      ))}
      {resources.map((one) => (
        <Tag key={one}>{one}</Tag>
      ))}
    </span>
  )
}

function Hours({ schedule }: { schedule: Schedule }) {
  const { t } = useTranslation()
  const hours = schedule.hours ?? []
  if (hours.length === 0) return t('schedules.anyHour')
  return (
    <ul>
      {hours.map((one) => (
        <li key={`${one.pace}${one.from}${one.to}${one.days?.join()}`}>
          {t(`schedules.pace_${one.pace}`)} {one.from.slice(0, 5)}–{one.to.slice(0, 5)}
          {one.days && ` (${one.days.map((day) => t(`day.${day}`)).join(', ')})`}
        </li>
      ))}
      <li className="text-sm text-muted">{schedule.time_zone}</li>
    </ul>
  )
}

function Remove({ schedule, onClose }: { schedule: Schedule; onClose: () => void }) {
  const { t } = useTranslation()
  const remove = useMutation({
    mutationFn: () =>
      call('delete', '/api/v1/tenants/{tenant}/schedules/{name}', {
        path: { tenant: schedule.tenant, name: schedule.name },
      }),
    onSuccess: () => {
      refresh()
      onClose()
    },
    onError: (error) => toast(error.message, { bad: true }),
  })
  return (
    <Dialog
      title={t('schedules.removeTitle', { name: schedule.name })}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
            {t('common.remove')}
          </Button>
        </>
      }
    >
      <p>{t('schedules.removeText', { count: schedule.followers })}</p>
    </Dialog>
  )
}
