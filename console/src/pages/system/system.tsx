import { useMutation, useQuery } from '@tanstack/react-query'
import { Download, RefreshCw } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { findings, system } from '../../api/queries'
import { call } from '../../api/request'
import type { Tested as Tenancy } from '../../api/types'
import { useCan, useTenants } from '../../app/me'
import { Badge } from '../../ui/badge'
import { Button, buttonClass } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Card, Facts, Page } from '../../ui/page'
import { ErrorState, Loaded } from '../../ui/states'
import { Ago, Count } from '../../ui/time'

export function System() {
  const { t } = useTranslation()
  const checks = useQuery(findings)
  const about = useQuery(system)
  return (
    <Page
      title={t('nav.system')}
      lead={t('system.lead')}
      actions={
        <>
          <AsCli text={command('holdfast', 'doctor')} />
          <Button
            icon={<RefreshCw aria-hidden size={14} />}
            busy={checks.isFetching}
            onClick={() => void checks.refetch()}
          >
            {t('system.check')}
          </Button>
        </>
      }
    >
      <Card title={t('system.findings')} flush>
        <Loaded query={checks} lines={6}>
          {(rows) => (
            <ul className="divide-y divide-line">
              {rows
                .toSorted((a, b) => Number(a.ok) - Number(b.ok))
                .map((finding) => (
                  <li key={finding.subject} className="flex items-start gap-4 px-4 py-2.5">
                    <span className="w-24 shrink-0 pt-0.5">
                      <Badge tone={finding.ok ? 'ok' : 'danger'}>
                        {finding.ok ? t('system.ok') : t('system.fault')}
                      </Badge>
                    </span>
                    <span className="min-w-0">
                      <span className="block font-medium break-words">{finding.subject}</span>
                      <span className="block break-words text-muted">{finding.detail}</span>
                    </span>
                  </li>
                ))}
            </ul>
          )}
        </Loaded>
      </Card>
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 xl:grid-cols-2">
        <Card title={t('system.about')}>
          <Loaded query={about}>
            {(known) => (
              <Facts
                facts={[
                  [t('system.version'), known.version],
                  [t('system.started'), <Ago key="started" time={known.started_at} />],
                  [t('system.catalog'), known.catalog],
                  [t('system.tenants'), <Count key="tenants" value={known.tenants} />],
                  [t('home.resources'), <Count key="resources" value={known.resources} />],
                  [t('system.jobs'), <Count key="jobs" value={known.jobs} />],
                ]}
              />
            )}
          </Loaded>
        </Card>
        <Tenants />
        <Bundle />
      </div>
    </Page>
  )
}

function Tenants() {
  const { t } = useTranslation()
  const can = useCan()
  const list = useTenants()
  const test = useMutation({
    mutationFn: (name: string) => call('post', '/api/v1/tenants/{name}/test', { path: { name } }),
  })
  return (
    <Card title={t('system.tenants')} flush>
      {test.error && <ErrorState error={test.error} />}
      <Loaded query={list}>
        {(rows) => (
          <ul className="divide-y divide-line">
            {rows.map((tenant) => (
              <li key={tenant.name} className="grid gap-2 px-4 py-2.5">
                <div className="flex flex-wrap items-center justify-between gap-2">
                  <span className="min-w-0">
                    <span className="block font-medium">{tenant.name}</span>
                    <span className="block font-mono text-xs break-all text-muted">{tenant.tenant_id}</span>
                  </span>
                  {can('manage_tenants') && (
                    <Button
                      small
                      busy={test.isPending && test.variables === tenant.name}
                      onClick={() => test.mutate(tenant.name)}
                    >
                      {t('system.test')}
                    </Button>
                  )}
                </div>
                {test.data?.tenant === tenant.name && <Tested data={test.data} />}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  )
}

function Tested({ data }: { data: Tenancy }) {
  const { t } = useTranslation()
  return (
    <ul className="grid gap-1 text-sm" aria-live="polite">
      {data.registrations.map((one) => (
        <li key={one.client_id} className="rounded-md bg-sunken px-3 py-1.5">
          <Badge tone={one.missing.length === 0 ? 'ok' : 'danger'}>
            {one.missing.length === 0
              ? t('system.testGood')
              : t('system.testMissing', { count: one.missing.length })}
          </Badge>{' '}
          {one.features.join(', ')}
          {one.missing.map((permission) => (
            <p key={permission.name}>
              <span className="font-mono">{permission.name}</span>: {permission.reason}
            </p>
          ))}
          {one.excess.length > 0 && (
            <p className="text-muted">{t('system.testExcess', { names: one.excess.join(', ') })}</p>
          )}
        </li>
      ))}
    </ul>
  )
}

function Bundle() {
  const { t } = useTranslation()
  const can = useCan()
  const [open, setOpen] = useState(false)
  if (!can('take_support_bundle')) return null
  return (
    <Card title={t('system.bundle')}>
      <p className="mb-3 text-muted">{t('system.bundleText')}</p>
      <Button icon={<Download aria-hidden size={14} />} onClick={() => setOpen(true)}>
        {t('system.bundleTake')}
      </Button>
      {open && (
        <Dialog
          title={t('system.bundle')}
          onClose={() => setOpen(false)}
          footer={
            <a
              href="/api/v1/system/support-bundle"
              download
              className={buttonClass('primary')}
              onClick={() => setOpen(false)}
            >
              <Download aria-hidden size={14} />
              {t('item.download')}
            </a>
          }
        >
          <p>{t('system.bundleWhat')}</p>
        </Dialog>
      )}
    </Card>
  )
}
