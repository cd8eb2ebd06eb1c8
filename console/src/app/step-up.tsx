import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { me } from '../api/queries'
import { call, onStepUp, setCsrf } from '../api/request'
import type { Proof } from '../api/types'
import { useOwnUser } from '../pages/account/own'
import { ProofForm } from '../pages/sign-in/proof'
import { Dialog } from '../ui/dialog'
import { Skeleton } from '../ui/states'
import { client } from './client'

type Answer = (given: boolean) => void

/** Asks for a fresh proof whenever the server wants one; what wanted it is then asked again. */
export function StepUp() {
  const { t } = useTranslation()
  const [waiting, setWaiting] = useState<Answer[]>([])
  useEffect(() => {
    onStepUp(() => new Promise((answer) => setWaiting((others) => [...others, answer])))
  }, [])
  const end = (given: boolean) => {
    for (const answer of waiting) answer(given)
    setWaiting([])
  }
  if (waiting.length === 0) return null
  return (
    <Dialog title={t('stepUp.title')} description={t('stepUp.why')} onClose={() => end(false)}>
      <StepUpForm onDone={() => end(true)} />
    </Dialog>
  )
}

function StepUpForm({ onDone }: { onDone: () => void }) {
  const who = useQuery(me).data
  const own = useOwnUser()
  if (own.isLoading) return <Skeleton lines={2} />
  const prove = async (proof: Proof) => {
    const answer = await call('post', '/api/v1/session/step-up', { body: { proof } }, { signingIn: true })
    if (answer.state !== 'signed_in') return
    setCsrf(answer.csrf)
    void client.invalidateQueries({ queryKey: ['me'] })
    onDone()
  }
  return (
    <ProofForm
      factors={own.data?.factors}
      name={who?.name}
      onProof={prove}
      ask={() => call('post', '/api/v1/session/step-up/passkey')}
    />
  )
}
