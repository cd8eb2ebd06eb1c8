import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { me, tokens } from '../../api/queries'
import { call } from '../../api/request'
import { client } from '../../app/client'
import { Badge } from '../../ui/badge'
import { Button } from '../../ui/button'
import { Code } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Check, Field } from '../../ui/field'
import { Card } from '../../ui/page'
import { EmptyState, ErrorState, Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Ago, When } from '../../ui/time'
import { toast } from '../../ui/toast'

/** What only people may do (docs/access.md). */
const PEOPLE_ONLY = ['approve_deletion', 'take_keys', 'manage_users']
const DAY = 86_400_000

function refresh() {
  return client.invalidateQueries({ queryKey: ['tokens'] })
}

export function Tokens() {
  const { t } = useTranslation()
  const list = useQuery(tokens)
  const [making, setMaking] = useState(false)
  const revoke = useMutation({
    mutationFn: (id: string) => call('delete', '/api/v1/tokens/{id}', { path: { id } }),
    onSuccess: refresh,
    onError: (error) => toast(error.message, { bad: true }),
  })
  return (
    <Card
      title={t('tokens.title')}
      flush
      actions={
        <Button small onClick={() => setMaking(true)}>
          {t('tokens.make')}
        </Button>
      }
    >
      <Loaded query={list}>
        {(rows) =>
          rows.length === 0 ? (
            <EmptyState title={t('tokens.none')} text={t('tokens.noneText')} />
          ) : (
            <Table
              label={t('tokens.title')}
              rows={rows}
              id={(row) => row.id}
              columns={[
                { key: 'label', head: t('tokens.label'), cell: (row) => row.label },
                {
                  key: 'used',
                  head: t('tokens.used'),
                  cell: (row) => (row.used_at ? <Ago time={row.used_at} /> : t('tokens.never')),
                },
                { key: 'ends', head: t('tokens.ends'), cell: (row) => <When time={row.expires_at} /> },
                {
                  key: 'act',
                  head: <span className="sr-only">{t('tokens.revoke')}</span>,
                  right: true,
                  cell: (row) =>
                    row.revoked_at ? (
                      <Badge tone="neutral">{t('tokens.revoked')}</Badge>
                    ) : (
                      <Button small onClick={() => revoke.mutate(row.id)}>
                        {t('tokens.revoke')}
                      </Button>
                    ),
                },
              ]}
            />
          )
        }
      </Loaded>
      {making && <TokenDialog onClose={() => setMaking(false)} />}
    </Card>
  )
}

function TokenDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const rights = (useQuery(me).data?.rights ?? []).filter((right) => !PEOPLE_ONLY.includes(right))
  const [label, setLabel] = useState('')
  const [days, setDays] = useState('90')
  const [chosen, setChosen] = useState<string[]>([])
  const make = useMutation({
    mutationFn: () =>
      call('post', '/api/v1/tokens', {
        body: {
          label: label.trim(),
          rights: chosen,
          scope: { tenants: 'all', workloads: 'all', resources: 'all' },
          expires_at: new Date(Date.now() + Number(days) * DAY).toISOString(),
        },
      }),
    onSuccess: refresh,
  })
  if (make.data) {
    return (
      <Dialog title={t('tokens.madeTitle')} description={t('tokens.madeLead')} onClose={onClose}>
        <Code text={make.data.text} />
      </Dialog>
    )
  }
  return (
    <Dialog title={t('tokens.make')} description={t('tokens.makeLead')} onClose={onClose}>
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          make.mutate()
        }}
      >
        {make.error && <ErrorState error={make.error} />}
        <Field
          label={t('tokens.label')}
          autoFocus
          required
          value={label}
          onChange={(event) => setLabel(event.target.value)}
        />
        <Field
          label={t('tokens.days')}
          type="number"
          min={1}
          max={365}
          required
          value={days}
          onChange={(event) => setDays(event.target.value)}
        />
        <fieldset>
          <legend className="mb-1.5 font-medium">{t('tokens.rights')}</legend>
          <div className="grid gap-1 sm:grid-cols-2">
            {rights.map((right) => (
              <Check
                key={right}
                label={t(`right.${right}`)}
                checked={chosen.includes(right)}
                onChecked={(on) =>
                  setChosen(on ? [...chosen, right] : chosen.filter((other) => other !== right))
                }
              />
            ))}
          </div>
        </fieldset>
        <Button type="submit" look="primary" busy={make.isPending} disabled={chosen.length === 0}>
          {t('tokens.make')}
        </Button>
      </form>
    </Dialog>
  )
}
