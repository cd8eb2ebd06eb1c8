import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { resources } from '../../api/queries'
import { call } from '../../api/request'
import type { Schedule } from '../../api/types'
import { useTenants } from '../../app/me'
import { Button } from '../../ui/button'
import { Check, Field, Select } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import { WORKLOADS } from '../resources/workload'

/** What is sent: hours that were set by other means stay as they are. */
export function bodyOf(
  rpo: string,
  zone: string,
  workloads: string[],
  names: string,
  before: Partial<Schedule>,
): Record<string, unknown> {
  const listed = names.split(/[\s,;]+/).filter(Boolean)
  return {
    rpo: rpo.trim(),
    time_zone: zone.trim() || 'UTC',
    select: { ...(workloads.length > 0 && { workloads }), ...(listed.length > 0 && { resources: listed }) },
    ...(before.hours && before.hours.length > 0 && { hours: before.hours }),
  }
}

export function ScheduleForm({ schedule, onDone }: { schedule: Partial<Schedule>; onDone: () => void }) {
  const { t } = useTranslation()
  const tenants = useTenants().data ?? []
  const [tenant, setTenant] = useState(schedule.tenant ?? '')
  const [name, setName] = useState(schedule.name ?? '')
  const [rpo, setRpo] = useState(schedule.rpo ?? '12h')
  const [zone, setZone] = useState(schedule.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone)
  const [workloads, setWorkloads] = useState(schedule.select?.workloads ?? [])
  const [names, setNames] = useState((schedule.select?.resources ?? []).join('\n'))
  const known = useQuery(resources(tenant)).data?.length
  const save = useMutation({
    mutationFn: () =>
      call('put', '/api/v1/tenants/{tenant}/schedules/{name}', {
        path: { tenant, name: name.trim() },
        body: bodyOf(rpo, zone, workloads, names, schedule) as never,
      }),
    onSuccess: onDone,
  })
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate()
      }}
    >
      {save.error && <ErrorState error={save.error} />}
      <div className="grid gap-4 sm:grid-cols-2">
        <Select
          label={t('shell.tenant')}
          value={tenant}
          disabled={Boolean(schedule.name)}
          onValue={setTenant}
          options={tenants.map((one) => ({ value: one.name, label: one.name }))}
        />
        <Field
          label={t('schedules.name')}
          required
          disabled={Boolean(schedule.name)}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Field
          label={t('schedules.rpo')}
          hint={t('schedules.rpoHint')}
          required
          value={rpo}
          onChange={(event) => setRpo(event.target.value)}
        />
        <Field
          label={t('schedules.zone')}
          required
          value={zone}
          onChange={(event) => setZone(event.target.value)}
        />
      </div>
      <fieldset>
        <legend className="mb-1.5 font-medium">{t('schedules.for')}</legend>
        <div className="mb-3 flex flex-wrap gap-4">
          {WORKLOADS.map((one) => (
            <Check
              key={one}
              label={t(`workload.${one}`)}
              checked={workloads.includes(one)}
              onChecked={(on) =>
                setWorkloads(on ? [...workloads, one] : workloads.filter((other) => other !== one))
              }
            />
          ))}
        </div>
        <label className="grid gap-1">
          {t('schedules.names')}
          <textarea
            rows={3}
            value={names}
            onChange={(event) => setNames(event.target.value)}
            className="rounded-md border border-edge bg-surface px-2.5 py-1.5"
          />
        </label>
        <p className="mt-1 text-sm text-muted">{t('schedules.forHint', { count: known ?? 0 })}</p>
      </fieldset>
      {schedule.hours && schedule.hours.length > 0 && (
        <p className="text-sm text-muted">{t('schedules.hoursStay')}</p>
      )}
      <Button type="submit" look="primary" busy={save.isPending}>
        {t('common.save')}
      </Button>
    </form>
  )
}
