import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { roles } from '../../api/queries'
import { call } from '../../api/request'
import type { Grant, User } from '../../api/types'
import { client } from '../../app/client'
import { useTenants } from '../../app/me'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { Check, Field } from '../../ui/field'
import { ErrorState } from '../../ui/states'

interface Props {
  /** Who is changed; somebody new without. */
  user?: User
  onClose: () => void
  onLink?: (name: string, link: string) => void
}

/** Tenants of the grants, where all have the same and nothing narrower; else they are not for this form. */
export function commonTenants(grants: Grant[]): 'all' | string[] | undefined {
  const [first] = grants
  if (!first) return 'all'
  const same = grants.every(
    ({ scope }) =>
      JSON.stringify(scope.tenants) === JSON.stringify(first.scope.tenants) &&
      scope.workloads === 'all' &&
      scope.resources === 'all',
  )
  if (!same) return undefined
  const { tenants } = first.scope
  return tenants === 'all' ? 'all' : (tenants as { only: string[] }).only
}

export function UserForm({ user, onClose, onLink }: Props) {
  const { t } = useTranslation()
  const known = useQuery(roles).data ?? []
  const tenants = useTenants().data ?? []
  const before = commonTenants(user?.grants ?? [])
  const [name, setName] = useState('')
  const [displayName, setDisplayName] = useState(user?.display_name ?? '')
  const [chosen, setChosen] = useState(user?.grants.map(({ role }) => role) ?? ['operator'])
  const [only, setOnly] = useState<string[]>(Array.isArray(before) ? before : [])
  const save = useMutation({
    mutationFn: async () => {
      const scope: Grant['scope'] = {
        tenants: only.length > 0 ? { only } : 'all',
        workloads: 'all',
        resources: 'all',
      }
      const grants = chosen.map((role) => ({ role, scope }))
      if (!user)
        return call('post', '/api/v1/users', {
          body: { name: name.trim(), display_name: displayName.trim() || name.trim(), grants },
        })
      const body =
        before === undefined ? { display_name: displayName } : { display_name: displayName, grants }
      await call('patch', '/api/v1/users/{id}', { path: { id: user.id }, body })
      return undefined
    },
    onSuccess: (invited) => {
      void client.invalidateQueries({ queryKey: ['users'] })
      if (invited) onLink?.(invited.user.name, invited.link)
      else onClose()
    },
  })
  const toggle = (list: string[], value: string, on: boolean) =>
    on ? [...list, value] : list.filter((other) => other !== value)
  return (
    <Dialog title={user ? t('users.changeTitle', { name: user.name }) : t('users.add')} onClose={onClose}>
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate()
        }}
      >
        {save.error && <ErrorState error={save.error} />}
        {!user && (
          <Field
            label={t('signIn.name')}
            autoFocus
            required
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
        <Field
          label={t('setup.displayName')}
          value={displayName}
          onChange={(event) => setDisplayName(event.target.value)}
        />
        {before === undefined ? (
          <p className="text-muted">{t('users.narrow')}</p>
        ) : (
          <>
            <fieldset>
              <legend className="mb-1.5 font-medium">{t('users.roles')}</legend>
              <div className="grid gap-1.5">
                {known.map(({ role }) => (
                  <Check
                    key={role}
                    label={t(`role.${role}`)}
                    hint={t(`roleHint.${role}`)}
                    checked={chosen.includes(role)}
                    onChecked={(on) => setChosen(toggle(chosen, role, on))}
                  />
                ))}
              </div>
            </fieldset>
            {tenants.length > 0 && (
              <fieldset>
                <legend className="mb-1.5 font-medium">{t('users.scope')}</legend>
                <div className="flex flex-wrap gap-4">
                  <Check
                    label={t('shell.allTenants')}
                    checked={only.length === 0}
                    onChecked={() => setOnly([])}
                  />
                  {tenants.map((one) => (
                    <Check
                      key={one.name}
                      label={one.name}
                      checked={only.includes(one.name)}
                      onChecked={(on) => setOnly(toggle(only, one.name, on))}
                    />
                  ))}
                </div>
              </fieldset>
            )}
          </>
        )}
        <Button type="submit" look="primary" busy={save.isPending} disabled={chosen.length === 0}>
          {user ? t('common.save') : t('users.invite')}
        </Button>
      </form>
    </Dialog>
  )
}
