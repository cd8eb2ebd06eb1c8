import { useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { vaultStats, vaults } from '../../api/queries'
import { ApiError } from '../../api/request'
import type { Vault, VaultStats } from '../../api/types'
import { useCan } from '../../app/me'
import { locale } from '../../i18n'
import { bytes, count } from '../../i18n/format'
import { Badge, Tag } from '../../ui/badge'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Card, Facts, Page } from '../../ui/page'
import { Progress } from '../../ui/progress'
import { EmptyState, Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Bytes, Count, When } from '../../ui/time'
import { VaultActs } from './acts'
import { AddVault } from './add'

export function Vaults() {
  const { t } = useTranslation()
  const can = useCan()
  const list = useQuery(vaults)
  const [adding, setAdding] = useState(false)
  return (
    <Page
      title={t('nav.vaults')}
      lead={t('vaults.lead')}
      actions={
        <>
          <AsCli text={command('holdfast', 'vault', 'list')} />
          {can('manage_vaults') && (
            <Button icon={<Plus aria-hidden size={14} />} onClick={() => setAdding(true)}>
              {t('newVault.open')}
            </Button>
          )}
        </>
      }
    >
      <Loaded query={list}>
        {(rows) =>
          rows.length === 0 ? (
            <EmptyState title={t('vaults.none')} />
          ) : (
            rows.map((vault) => <One key={vault.id} vault={vault} />)
          )
        }
      </Loaded>
      {adding && <AddVault onClose={() => setAdding(false)} />}
    </Page>
  )
}

function One({ vault }: { vault: Vault }) {
  const { t } = useTranslation()
  const stats = useQuery(vaultStats(vault.name))
  return (
    <Card
      title={vault.name}
      actions={
        <span className="flex items-center gap-2">
          <AsCli text={command('holdfast', 'vault', 'stats', '--vault', vault.name)} />
          <VaultActs vault={vault.name} />
        </span>
      }
    >
      <div className="grid grid-cols-[minmax(0,1fr)] gap-6 xl:grid-cols-2">
        <Facts
          facts={[
            [
              t('vaults.location'),
              <span key="location" className="font-mono text-sm break-all">
                {vault.location}
              </span>,
            ],
            [t('vaults.protection'), <Protection key="protection" vault={vault} />],
            [t('vaults.tenants'), <Tenants key="tenants" names={vault.tenants} />],
            [
              t('vaults.maintenance'),
              vault.maintenance_credentials ? t('vaults.maintenanceOwn') : t('vaults.maintenanceSame'),
            ],
            [t('vaults.created'), <When key="created" time={vault.created_at} />],
            ...(vault.as_of
              ? [[t('vaults.asOf'), <When key="as of" time={vault.as_of} />] as [string, React.ReactNode]]
              : []),
          ]}
        />
        {stats.error instanceof ApiError && stats.error.code === 'invalid' ? (
          // A copy has no figures of its own: the server says whose they are.
          <p className="text-muted">{stats.error.message}</p>
        ) : (
          <Loaded query={stats}>{(known) => <Holds stats={known} />}</Loaded>
        )}
      </div>
      {stats.data && <Shards stats={stats.data} />}
    </Card>
  )
}

function Protection({ vault }: { vault: Vault }) {
  const { t } = useTranslation()
  if (vault.lock_mode)
    return (
      <Badge tone="ok">{t('vaults.locked', { mode: vault.lock_mode, count: vault.lock_days ?? 0 })}</Badge>
    )
  if (vault.append_only) return <Badge tone="ok">{t('vaults.appendOnly')}</Badge>
  return <Badge tone="warn">{t('vaults.unlocked')}</Badge>
}

function Tenants({ names }: { names: string[] }) {
  return (
    <span className="flex flex-wrap gap-1">
      {names.map((name) => (
        <Tag key={name}>{name}</Tag>
      ))}
    </span>
  )
}

function Holds({ stats }: { stats: VaultStats }) {
  const { t } = useTranslation()
  return (
    <Facts
      facts={[
        [t('vaults.items'), count(stats.items, locale())],
        [t('vaults.versions'), count(stats.versions, locale())],
        [t('vaults.logical'), <Bytes key="logical" value={stats.version_bytes} />],
        [t('vaults.stored'), <Bytes key="stored" value={stats.stored_bytes} />],
        [t('vaults.dedup'), `${stats.dedup_ratio.toLocaleString(locale(), { maximumFractionDigits: 2 })} ×`],
        [
          t('vaults.compression'),
          `${stats.compression_ratio.toLocaleString(locale(), { maximumFractionDigits: 2 })} ×`,
        ],
      ]}
    />
  )
}

/** What each of the last snapshots has added: bars, and the same as a table. */
const SHOWN = 60

function Shards({ stats }: { stats: VaultStats }) {
  const { t } = useTranslation()
  const added = stats.shards
    .flatMap((shard) => shard.added)
    .sort((a, b) => a.time.localeCompare(b.time))
    .slice(-SHOWN)
  return (
    <div className="mt-6 grid grid-cols-[minmax(0,1fr)] gap-6 xl:grid-cols-2">
      <section>
        <h3 className="mb-1 font-semibold">{t('vaults.shards')}</h3>
        <Table
          label={t('vaults.shards')}
          rows={stats.shards}
          id={(row) => String(row.shard)}
          columns={[
            { key: 'n', head: t('vaults.shard'), cell: (row) => row.shard },
            {
              key: 'resources',
              head: t('home.resources'),
              right: true,
              cell: (row) => <Count value={row.resources} />,
            },
            {
              key: 'snapshots',
              head: t('vaults.snapshots'),
              right: true,
              cell: (row) => <Count value={row.snapshots} />,
            },
            {
              key: 'fill',
              head: t('vaults.fill'),
              cell: (row) => (
                <span className="flex w-36 items-center gap-2">
                  <Progress value={row.fill} label={t('vaults.fill')} />
                  <span className="text-sm text-muted">
                    {row.fill.toLocaleString(locale(), { style: 'percent', maximumFractionDigits: 1 })}
                  </span>
                </span>
              ),
            },
          ]}
        />
      </section>
      <section className="min-w-0">
        <h3 className="mb-1 font-semibold">{t('vaults.growth')}</h3>
        <Growth added={added} />
        <details className="mt-2 text-sm">
          <summary className="text-accent">{t('vaults.asTable')}</summary>
          <Table
            label={t('vaults.growth')}
            rows={added.toReversed()}
            id={(row) => `${row.seq}${row.time}`}
            columns={[
              { key: 'time', head: t('vaults.time'), cell: (row) => <When time={row.time} /> },
              {
                key: 'versions',
                head: t('vaults.versions'),
                right: true,
                cell: (row) => <Count value={row.versions} />,
              },
              {
                key: 'stored',
                head: t('vaults.stored'),
                right: true,
                cell: (row) => <Bytes value={row.stored_bytes} />,
              },
            ]}
          />
        </details>
      </section>
    </div>
  )
}

const HEIGHT = 96

function Growth({ added }: { added: VaultStats['shards'][number]['added'] }) {
  const { t } = useTranslation()
  const most = Math.max(1, ...added.map(({ stored_bytes }) => stored_bytes))
  return (
    <svg
      role="img"
      aria-label={t('vaults.growthText', { count: added.length, most: bytes(most, locale()) })}
      viewBox={`0 0 ${Math.max(20, added.length) * 10} ${HEIGHT}`}
      preserveAspectRatio="none"
      className="h-24 w-full border-b border-line"
    >
      {added.map((one, index) => {
        const height = Math.max(1, (one.stored_bytes / most) * HEIGHT)
        return (
          <rect
            key={`${one.seq}${one.time}`}
            x={index * 10}
            y={HEIGHT - height}
            width="8"
            height={height}
            className="fill-accent"
          />
        )
      })}
    </svg>
  )
}
