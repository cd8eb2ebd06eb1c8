import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call, setCsrf } from '../../api/request'
import type { Proof, SignedIn } from '../../api/types'
import { client } from '../../app/client'
import { safeTarget } from '../../app/search'
import { Button } from '../../ui/button'
import { Field } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import { Frame } from './frame'
import { ProofForm } from './proof'

type Pending = Extract<SignedIn, { state: 'second_factor' }>

export function SignIn() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const { to } = useSearch({ strict: false }) as { to?: string }
  const [pending, setPending] = useState<Pending>()
  const enter = async (answer: SignedIn) => {
    if (answer.state === 'second_factor') {
      setPending(answer)
      return
    }
    setCsrf(answer.csrf)
    client.clear()
    await navigate({ href: safeTarget(to) } as never)
  }
  if (!pending) {
    return (
      <Frame title={t('signIn.title')}>
        <PasswordForm onAnswer={enter} />
      </Frame>
    )
  }
  const prove = async (proof: Proof) => {
    const body = { handle: pending.handle, proof }
    await enter(await call('post', '/api/v1/session/second-factor', { body }, { signingIn: true }))
  }
  const ask = () =>
    call('post', '/api/v1/session/second-factor/passkey', { body: { handle: pending.handle } })
  return (
    <Frame title={t('signIn.secondTitle')} lead={t('signIn.secondLead')}>
      <ProofForm factors={pending.factors} onProof={prove} ask={ask} />
    </Frame>
  )
}

function PasswordForm({ onAnswer }: { onAnswer: (answer: SignedIn) => Promise<void> }) {
  const { t } = useTranslation()
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const send = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await onAnswer(await call('post', '/api/v1/session', { body: { name, password } }, { signingIn: true }))
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      {error !== undefined && <ErrorState error={error} />}
      <Field
        label={t('signIn.name')}
        autoComplete="username"
        autoFocus
        required
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <Field
        label={t('signIn.password')}
        type="password"
        autoComplete="current-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <Button type="submit" look="primary" busy={busy}>
        {t('signIn.submit')}
      </Button>
    </form>
  )
}
