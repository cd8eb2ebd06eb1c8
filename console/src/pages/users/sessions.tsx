import { useMutation, useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { userSessions } from '../../api/queries'
import { call } from '../../api/request'
import type { User } from '../../api/types'
import { client } from '../../app/client'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { EmptyState, ErrorState, Loaded } from '../../ui/states'
import { Table } from '../../ui/table'
import { Ago } from '../../ui/time'

export function UserSessions({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation()
  const list = useQuery(userSessions(user.id))
  const end = useMutation({
    mutationFn: () => call('delete', '/api/v1/users/{id}/sessions', { path: { id: user.id } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['user sessions', user.id] }),
  })
  return (
    <Dialog
      wide
      title={t('users.sessionsTitle', { name: user.name })}
      onClose={onClose}
      footer={
        <Button look="danger" busy={end.isPending} disabled={!list.data?.length} onClick={() => end.mutate()}>
          {t('users.endAll')}
        </Button>
      }
    >
      {end.error && <ErrorState error={end.error} />}
      <Loaded query={list}>
        {(rows) =>
          rows.length === 0 ? (
            <EmptyState title={t('users.noSessions')} />
          ) : (
            <Table
              label={t('account.sessions')}
              rows={rows}
              id={(row) => row.id}
              columns={[
                {
                  key: 'agent',
                  head: t('account.agent'),
                  cell: (row) => <span className="break-all">{row.agent}</span>,
                },
                { key: 'from', head: t('account.from'), cell: (row) => row.address },
                { key: 'seen', head: t('account.seen'), cell: (row) => <Ago time={row.seen_at} /> },
              ]}
            />
          )
        }
      </Loaded>
    </Dialog>
  )
}
