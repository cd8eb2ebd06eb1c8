import { useMutation, useQuery } from '@tanstack/react-query'
import { Ellipsis } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { me, roles, users } from '../../api/queries'
import { call } from '../../api/request'
import type { Grant, User } from '../../api/types'
import { client } from '../../app/client'
import { Badge, Tag } from '../../ui/badge'
import { Button, IconButton } from '../../ui/button'
import { AsCli, Code, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Menu, MenuItem, MenuLine } from '../../ui/menu'
import { Card, Page } from '../../ui/page'
import { Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { When } from '../../ui/time'
import { toast } from '../../ui/toast'
import { UserForm } from './form'
import { UserSessions } from './sessions'

function refresh() {
  return client.invalidateQueries({ queryKey: ['users'] })
}

type Open =
  | { kind: 'add' }
  | { kind: 'roles' | 'remove' | 'sessions' | 'reset'; user: User }
  | { kind: 'link'; name: string; link: string }

export function Users() {
  const { t } = useTranslation()
  const list = useQuery(users)
  const [open, setOpen] = useState<Open>()
  const close = () => setOpen(undefined)
  return (
    <Page
      title={t('nav.users')}
      lead={t('users.lead')}
      actions={
        <>
          <AsCli
            text={command(
              'holdfast',
              'user',
              'list',
              '--server',
              window.location.origin,
              '--user',
              useQuery(me).data?.name,
            )}
          />
          <Button look="primary" onClick={() => setOpen({ kind: 'add' })}>
            {t('users.add')}
          </Button>
        </>
      }
    >
      <Card flush>
        <Loaded query={list}>{(rows) => <Rows rows={rows} onOpen={setOpen} />}</Loaded>
      </Card>
      <Roles />
      {open?.kind === 'add' && (
        <UserForm onClose={close} onLink={(name, link) => setOpen({ kind: 'link', name, link })} />
      )}
      {open?.kind === 'roles' && <UserForm user={open.user} onClose={close} />}
      {open?.kind === 'sessions' && <UserSessions user={open.user} onClose={close} />}
      {open?.kind === 'remove' && <Remove user={open.user} onClose={close} />}
      {open?.kind === 'reset' && (
        <Reset
          user={open.user}
          onClose={close}
          onLink={(link) => setOpen({ kind: 'link', name: open.user.name, link })}
        />
      )}
      {open?.kind === 'link' && (
        <Dialog
          title={t('users.linkTitle', { name: open.name })}
          description={t('users.linkText')}
          onClose={close}
        >
          <Code text={open.link} />
        </Dialog>
      )}
    </Page>
  )
}

function scopeOf(grant: Grant, all: string): string {
  const { tenants } = grant.scope
  return tenants === 'all' ? all : (tenants as { only: string[] }).only.join(', ')
}

function Rows({ rows, onOpen }: { rows: User[]; onOpen: (open: Open) => void }) {
  const { t } = useTranslation()
  return (
    <Table
      label={t('nav.users')}
      rows={rows}
      id={(row) => row.id}
      columns={[
        {
          key: 'name',
          head: t('users.name'),
          cell: (row) => (
            <>
              <span className="font-medium">{row.name}</span>
              <span className="block text-sm text-muted">{row.display_name}</span>
            </>
          ),
        },
        {
          key: 'roles',
          head: t('users.roles'),
          cell: (row) => (
            <span className="flex flex-wrap gap-1">
              {row.grants.map((grant) => (
                <Tag key={grant.role + scopeOf(grant, '')}>
                  {t(`role.${grant.role}`)} · {scopeOf(grant, t('shell.allTenants'))}
                </Tag>
              ))}
            </span>
          ),
        },
        {
          key: 'factors',
          head: t('users.factors'),
          cell: (row) =>
            row.factors.length > 0 ? (
              row.factors.map((factor) => t(`factor.${factor}`)).join(', ')
            ) : (
              <span className="text-warn">{t('users.noFactor')}</span>
            ),
        },
        {
          key: 'state',
          head: t('users.state'),
          cell: (row) =>
            row.disabled ? (
              <Badge tone="paused">{t('users.disabled')}</Badge>
            ) : row.is_invited ? (
              <Badge tone="neutral">{t('users.invited')}</Badge>
            ) : (
              <Badge tone="ok">{t('users.active')}</Badge>
            ),
        },
        {
          key: 'since',
          head: t('users.since'),
          wideOnly: true,
          cell: (row) => <When time={row.created_at} />,
        },
        {
          key: 'act',
          head: <span className="sr-only">{t('common.actions')}</span>,
          right: true,
          cell: (row) => <Acts user={row} onOpen={onOpen} />,
        },
      ]}
    />
  )
}

function Acts({ user, onOpen }: { user: User; onOpen: (open: Open) => void }) {
  const { t } = useTranslation()
  const change = useMutation({
    mutationFn: (disabled: boolean) =>
      call('patch', '/api/v1/users/{id}', { path: { id: user.id }, body: { disabled } }),
    onSuccess: refresh,
    onError: (error) => toast(error.message, { bad: true }),
  })
  const open = (kind: 'roles' | 'remove' | 'sessions' | 'reset') => () => onOpen({ kind, user })
  return (
    <Menu
      trigger={
        <IconButton label={t('users.acts', { name: user.name })}>
          <Ellipsis aria-hidden size={16} />
        </IconButton>
      }
    >
      <MenuItem onSelect={open('roles')}>{t('users.change')}</MenuItem>
      <MenuItem onSelect={open('sessions')}>{t('account.sessions')}</MenuItem>
      <MenuItem onSelect={open('reset')}>{t('users.reset')}</MenuItem>
      <MenuLine />
      <MenuItem onSelect={() => change.mutate(!user.disabled)}>
        {user.disabled ? t('users.enable') : t('users.disable')}
      </MenuItem>
      <MenuItem danger onSelect={open('remove')}>
        {t('common.remove')}
      </MenuItem>
    </Menu>
  )
}

function Remove({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation()
  const [typed, setTyped] = useState('')
  const remove = useMutation({
    mutationFn: () => call('delete', '/api/v1/users/{id}', { path: { id: user.id } }),
    onSuccess: () => {
      void refresh()
      onClose()
    },
    onError: (error) => toast(error.message, { bad: true }),
  })
  return (
    <Dialog
      title={t('users.removeTitle', { name: user.name })}
      description={t('users.removeText')}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button
            look="danger"
            disabled={typed !== user.name}
            busy={remove.isPending}
            onClick={() => remove.mutate()}
          >
            {t('common.remove')}
          </Button>
        </>
      }
    >
      <label className="grid gap-1">
        {t('users.typeName', { name: user.name })}
        <input
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          className="h-8 rounded-md border border-edge bg-surface px-2.5"
        />
      </label>
    </Dialog>
  )
}

function Reset({
  user,
  onClose,
  onLink,
}: {
  user: User
  onClose: () => void
  onLink: (link: string) => void
}) {
  const { t } = useTranslation()
  const reset = useMutation({
    mutationFn: () => call('post', '/api/v1/users/{id}/reset', { path: { id: user.id } }),
    onSuccess: ({ link }) => {
      void refresh()
      onLink(link)
    },
    onError: (error) => toast(error.message, { bad: true }),
  })
  return (
    <Dialog
      title={t('users.resetTitle', { name: user.name })}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
          <Button look="danger" busy={reset.isPending} onClick={() => reset.mutate()}>
            {t('users.reset')}
          </Button>
        </>
      }
    >
      <p>{t('users.resetText')}</p>
    </Dialog>
  )
}

function Roles() {
  const { t } = useTranslation()
  const list = useQuery(roles)
  return (
    <Card title={t('users.rolesTitle')} flush>
      <Loaded query={list}>
        {(rows) => (
          <Table
            label={t('users.rolesTitle')}
            rows={rows}
            id={(row) => row.role}
            columns={[
              {
                key: 'role',
                head: t('users.role'),
                cell: (row) => <span className="font-medium whitespace-nowrap">{t(`role.${row.role}`)}</span>,
              },
              {
                key: 'rights',
                head: t('users.rights'),
                cell: (row) => (
                  <span className="text-muted">
                    {row.rights.map((right) => t(`right.${right}`)).join(' · ')}
                  </span>
                ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
