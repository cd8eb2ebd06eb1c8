import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { me, sessions } from '../../api/queries'
import { call } from '../../api/request'
import { client } from '../../app/client'
import { Badge, Tag } from '../../ui/badge'
import { Button } from '../../ui/button'
import { Field } from '../../ui/field'
import { Card, Facts, Page } from '../../ui/page'
import { ErrorState, Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Ago, When } from '../../ui/time'
import { toast } from '../../ui/toast'
import { Factors } from './factors'
import { Tokens } from './tokens'

export function Account() {
  const { t } = useTranslation()
  const { data } = useQuery(me)
  return (
    <Page title={t('account.title')} lead={data?.name}>
      <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-5 xl:grid-cols-2">
        <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
          <Factors />
          <Password />
        </div>
        <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
          <Sessions />
          <Tokens />
          <Rights />
        </div>
      </div>
    </Page>
  )
}

function Password() {
  const { t } = useTranslation()
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const change = useMutation({
    mutationFn: () =>
      call('put', '/api/v1/session/password', { body: { old, new: fresh } }, { signingIn: true }),
    onSuccess: () => {
      setOld('')
      setFresh('')
      toast(t('account.passwordDone'))
      void client.invalidateQueries({ queryKey: ['sessions'] })
    },
  })
  return (
    <Card title={t('account.password')}>
      <form
        className="grid max-w-sm gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          change.mutate()
        }}
      >
        {change.error && <ErrorState error={change.error} />}
        <Field
          label={t('account.old')}
          type="password"
          autoComplete="current-password"
          required
          value={old}
          onChange={(event) => setOld(event.target.value)}
        />
        <Field
          label={t('account.new')}
          hint={t('account.newHint')}
          type="password"
          autoComplete="new-password"
          minLength={12}
          required
          value={fresh}
          onChange={(event) => setFresh(event.target.value)}
        />
        <div>
          <Button type="submit" busy={change.isPending}>
            {t('account.change')}
          </Button>
        </div>
      </form>
    </Card>
  )
}

function Sessions() {
  const { t } = useTranslation()
  const list = useQuery(sessions)
  const end = useMutation({
    mutationFn: (id: string) => call('delete', '/api/v1/session/all/{id}', { path: { id } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['sessions'] }),
    onError: (error) => toast(error.message, { bad: true }),
  })
  return (
    <Card title={t('account.sessions')} flush>
      <Loaded query={list}>
        {(rows) => (
          <Table
            label={t('account.sessions')}
            rows={rows}
            id={(row) => row.id}
            columns={[
              { key: 'agent', head: t('account.agent'), cell: (row) => <Agent agent={row.agent} /> },
              { key: 'from', head: t('account.from'), cell: (row) => row.address },
              { key: 'seen', head: t('account.seen'), cell: (row) => <Ago time={row.seen_at} /> },
              {
                key: 'end',
                head: <span className="sr-only">{t('account.end')}</span>,
                right: true,
                cell: (row) =>
                  row.is_this ? (
                    <Badge tone="ok">{t('account.this')}</Badge>
                  ) : (
                    <Button small onClick={() => end.mutate(row.id)}>
                      {t('account.end')}
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

/** The browser in a word; all that it said on hover. */
function Agent({ agent }: { agent: string }) {
  const name = /(Firefox|Edg|Chrome|Safari)\/\d+/.exec(agent)?.[0]?.replace('Edg', 'Edge').replace('/', ' ')
  return <span title={agent}>{name ?? agent.slice(0, 40)}</span>
}

function Rights() {
  const { t } = useTranslation()
  const { data } = useQuery(me)
  if (!data) return null
  return (
    <Card title={t('account.rights')}>
      <Facts
        facts={[
          [t('users.roles'), data.grants.map(({ role }) => t(`role.${role}`)).join(', ')],
          [
            t('account.may'),
            <span key="rights" className="flex flex-wrap gap-1">
              {data.rights.map((right) => (
                <Tag key={right}>{t(`right.${right}`)}</Tag>
              ))}
            </span>,
          ],
          [t('account.proved'), data.proved_at ? <When key="proved" time={data.proved_at} /> : '–'],
        ]}
      />
    </Card>
  )
}
