import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, setCsrf } from '../../api/request'
import { client } from '../../app/client'
import { Button, buttonClass } from '../../ui/button'
import { Field } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import { toast } from '../../ui/toast'
import { Frame } from './frame'
import { forgetSecret, linkSecret } from './secret'

const SHORTEST = 12

/** What a link leads to: the first administrator, or an invited user's password. */
export function LinkPage({ first }: { first: boolean }) {
  const { t } = useTranslation()
  const secret = linkSecret()
  const title = first ? t('setup.title') : t('invitation.title')
  if (!secret) {
    return (
      <Frame title={title}>
        <p className="mb-4">{first ? t('setup.noSecret') : t('invitation.noSecret')}</p>
        <Link to="/sign-in" className={buttonClass()}>
          {t('signIn.title')}
        </Link>
      </Frame>
    )
  }
  return (
    <Frame title={title} lead={first ? t('setup.lead') : t('invitation.lead')}>
      <LinkForm first={first} secret={secret} />
    </Frame>
  )
}

function LinkForm({ first, secret }: { first: boolean; secret: string }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [typed, setTyped] = useState({ name: '', display_name: '', password: '', again: '' })
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const set = (key: keyof typeof typed) => ({
    value: typed[key],
    onChange: (event: { target: { value: string } }) => setTyped({ ...typed, [key]: event.target.value }),
  })
  const differ = typed.again !== '' && typed.again !== typed.password
  const { name, display_name, password } = typed
  const send = async () => {
    setBusy(true)
    setError(undefined)
    try {
      if (first) {
        const body = { secret, name, display_name: display_name || name, password }
        await call('post', '/api/v1/setup', { body }, { signingIn: true })
        const answer = await call(
          'post',
          '/api/v1/session',
          { body: { name, password } },
          { signingIn: true },
        )
        if (answer.state === 'signed_in') setCsrf(answer.csrf)
      } else {
        await call('post', '/api/v1/invitation', { body: { secret, password } }, { signingIn: true })
        toast(t('invitation.done'))
      }
      forgetSecret()
      client.clear()
      await navigate({ to: first ? '/' : '/sign-in' })
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        if (!differ) void send()
      }}
    >
      {error !== undefined && <ErrorState error={error} />}
      {first && (
        <>
          <Field
            label={t('signIn.name')}
            hint={t('setup.nameHint')}
            autoComplete="username"
            autoFocus
            required
            {...set('name')}
          />
          <Field label={t('setup.displayName')} autoComplete="name" {...set('display_name')} />
        </>
      )}
      <Field
        label={t('signIn.password')}
        hint={t('setup.passwordHint', { count: SHORTEST })}
        type="password"
        autoComplete="new-password"
        minLength={SHORTEST}
        required
        {...set('password')}
      />
      <Field
        label={t('setup.again')}
        type="password"
        autoComplete="new-password"
        required
        problem={differ ? t('setup.differ') : undefined}
        {...set('again')}
      />
      <Button type="submit" look="primary" busy={busy} disabled={differ}>
        {first ? t('setup.submit') : t('invitation.submit')}
      </Button>
    </form>
  )
}
