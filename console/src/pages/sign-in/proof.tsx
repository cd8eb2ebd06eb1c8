import { KeyRound } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Proof } from '../../api/types'
import { Button } from '../../ui/button'
import { Field } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import { get, type Question } from './webauthn'

export type Kind = 'password' | 'totp' | 'recovery_code' | 'passkey'

/** What may be shown: the factors where there are some, else the password; both where that is not known. */
export function kindsOf(factors: string[] | undefined): Kind[] {
  const known: Kind[] = ['passkey', 'totp', 'recovery_code']
  if (factors === undefined) return ['password', ...known]
  const found = known.filter((kind) => factors.includes(kind))
  return found.length > 0 ? found : ['password']
}

interface Props {
  factors: string[] | undefined
  name?: string
  onProof: (proof: Proof) => Promise<void>
  /** Asks the server for a passkey's question. */
  ask: () => Promise<unknown>
}

export function ProofForm({ factors, name, onProof, ask }: Props) {
  const { t } = useTranslation()
  const kinds = kindsOf(factors)
  const [kind, setKind] = useState<Kind>(kinds[0] ?? 'password')
  const [text, setText] = useState('')
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const show = async (proof: () => Promise<Proof>) => {
    setBusy(true)
    setError(undefined)
    try {
      await onProof(await proof())
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  const passkey = async (): Promise<Proof> => {
    const question = (await ask()) as Question
    return { kind: 'passkey', handle: question.handle, credential: await get(question) }
  }
  const typed = async (): Promise<Proof> =>
    kind === 'password'
      ? { kind, password: text }
      : { kind: kind as 'totp' | 'recovery_code', code: text.trim() }
  return (
    <form
      className="grid gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        void show(kind === 'passkey' ? passkey : typed)
      }}
    >
      {error !== undefined && <ErrorState error={error} />}
      {name && <input type="text" autoComplete="username" value={name} readOnly hidden />}
      {kind === 'passkey' ? (
        <p>{t('proof.passkeyHint')}</p>
      ) : (
        <Field
          key={kind}
          label={t(`proof.${kind}`)}
          type={kind === 'password' ? 'password' : 'text'}
          inputMode={kind === 'totp' ? 'numeric' : undefined}
          autoComplete={kind === 'password' ? 'current-password' : 'one-time-code'}
          autoFocus
          required
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      <Button
        type="submit"
        look="primary"
        busy={busy}
        icon={kind === 'passkey' ? <KeyRound aria-hidden size={14} /> : undefined}
      >
        {kind === 'passkey' ? t('proof.usePasskey') : t('common.continue')}
      </Button>
      {kinds.length > 1 && (
        <div className="flex flex-wrap gap-x-4 gap-y-1 text-sm">
          {kinds
            .filter((other) => other !== kind)
            .map((other) => (
              <button
                key={other}
                type="button"
                className="text-accent underline underline-offset-2"
                onClick={() => {
                  setKind(other)
                  setText('')
                  setError(undefined)
                }}
              >
                {t(`proof.instead_${other}`)}
              </button>
            ))}
        </div>
      )}
    </form>
  )
}
