import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call } from '../../api/request'
import { client } from '../../app/client'
import { Badge } from '../../ui/badge'
import { Button } from '../../ui/button'
import { Code, CopyButton } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Field } from '../../ui/field'
import { Card } from '../../ui/page'
import { Qr } from '../../ui/qr'
import { ErrorState } from '../../ui/states'
import { When } from '../../ui/time'
import { toast } from '../../ui/toast'
import { create, type Question } from '../sign-in/webauthn'
import { useOwnUser } from './own'

function refresh() {
  void client.invalidateQueries({ queryKey: ['user'] })
  void client.invalidateQueries({ queryKey: ['me'] })
}

type Open = 'totp' | 'passkey' | { codes: string[] } | undefined

export function Factors() {
  const { t } = useTranslation()
  const own = useOwnUser().data
  const [open, setOpen] = useState<Open>()
  const done = (codes: string[]) => {
    refresh()
    setOpen(codes.length > 0 ? { codes } : undefined)
  }
  const failed = (error: Error) => toast(error.message, { bad: true })
  const dropTotp = useMutation({
    mutationFn: () => call('delete', '/api/v1/session/totp'),
    onSuccess: refresh,
    onError: failed,
  })
  const renew = useMutation({
    mutationFn: () => call('post', '/api/v1/session/recovery-codes'),
    onSuccess: ({ codes }) => done(codes),
    onError: failed,
  })
  const dropPasskey = useMutation({
    mutationFn: (id: string) => call('delete', '/api/v1/session/passkeys/{id}', { path: { id } }),
    onSuccess: refresh,
    onError: failed,
  })
  const has = (kind: string) => own?.factors.includes(kind) ?? false
  return (
    <Card title={t('factors.title')}>
      <div className="grid divide-y divide-line [&>*]:py-4 [&>*:first-child]:pt-0 [&>*:last-child]:pb-0">
        <Row
          title={t('factors.totp')}
          text={t('factors.totpText')}
          state={own && (has('totp') ? 'on' : 'off')}
        >
          {(!own || has('totp')) && (
            <Button small busy={dropTotp.isPending} onClick={() => dropTotp.mutate()}>
              {t('factors.remove')}
            </Button>
          )}
          {!has('totp') && (
            <Button small onClick={() => setOpen('totp')}>
              {t('factors.setUp')}
            </Button>
          )}
        </Row>
        <Row
          title={t('factors.passkeys')}
          text={t('factors.passkeysText')}
          state={own && (own.passkeys.length > 0 ? 'on' : 'off')}
        >
          <Button small onClick={() => setOpen('passkey')}>
            {t('factors.add')}
          </Button>
          {own && own.passkeys.length > 0 && (
            <ul className="mt-1 grid w-full gap-1">
              {own.passkeys.map((key) => (
                <li
                  key={key.id}
                  className="flex flex-wrap items-center justify-between gap-2 rounded-md bg-sunken px-3 py-1"
                >
                  <span className="min-w-0 truncate">{key.label}</span>
                  <span className="flex flex-wrap items-center gap-x-3 text-sm text-muted">
                    <When time={key.created_at} />
                    <Button small look="quiet" onClick={() => dropPasskey.mutate(key.id)}>
                      {t('factors.remove')}
                    </Button>
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Row>
        <Row
          title={t('factors.recovery')}
          text={t('factors.recoveryText')}
          state={own && (has('recovery_code') ? 'on' : 'off')}
        >
          <Button small busy={renew.isPending} onClick={() => renew.mutate()}>
            {t('factors.renew')}
          </Button>
        </Row>
      </div>
      {open === 'totp' && <TotpDialog onDone={done} onClose={() => setOpen(undefined)} />}
      {open === 'passkey' && <PasskeyDialog onDone={done} onClose={() => setOpen(undefined)} />}
      {typeof open === 'object' && <Codes codes={open.codes} onClose={() => setOpen(undefined)} />}
    </Card>
  )
}

function Row(props: { title: string; text: string; state?: 'on' | 'off'; children: React.ReactNode }) {
  const { t } = useTranslation()
  return (
    <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2">
      <div className="min-w-48 flex-1">
        <p className="flex items-center gap-2 font-medium">
          {props.title}
          {props.state && (
            <Badge tone={props.state === 'on' ? 'ok' : 'neutral'}>{t(`factors.${props.state}`)}</Badge>
          )}
        </p>
        <p className="text-muted">{props.text}</p>
      </div>
      {props.children}
    </div>
  )
}

interface Making {
  onDone: (codes: string[]) => void
  onClose: () => void
}

function TotpDialog({ onDone, onClose }: Making) {
  const { t } = useTranslation()
  const [code, setCode] = useState('')
  const begin = useMutation({ mutationFn: () => call('post', '/api/v1/session/totp') })
  const confirm = useMutation({
    mutationFn: (handle: string) =>
      call(
        'post',
        '/api/v1/session/totp/confirm',
        { body: { handle, code: code.trim() } },
        { signingIn: true },
      ),
    onSuccess: ({ codes }) => onDone(codes),
  })
  const made = begin.data
  return (
    <Dialog title={t('factors.totpTitle')} description={t('factors.totpLead')} onClose={onClose}>
      {begin.error && <ErrorState error={begin.error} />}
      {!made ? (
        <Button look="primary" busy={begin.isPending} onClick={() => begin.mutate()}>
          {t('factors.begin')}
        </Button>
      ) : (
        <form
          className="grid gap-4"
          onSubmit={(event) => {
            event.preventDefault()
            confirm.mutate(made.handle)
          }}
        >
          <div className="flex flex-wrap items-start gap-5">
            <Qr text={made.url} label={t('factors.qr')} />
            <div className="grid min-w-48 flex-1 gap-2">
              <p>{t('factors.scan')}</p>
              <p className="text-sm text-muted">{t('factors.orType')}</p>
              <Code text={made.secret} />
            </div>
          </div>
          {confirm.error && <ErrorState error={confirm.error} />}
          <Field
            label={t('factors.firstCode')}
            inputMode="numeric"
            autoComplete="one-time-code"
            required
            value={code}
            onChange={(event) => setCode(event.target.value)}
          />
          <Button type="submit" look="primary" busy={confirm.isPending}>
            {t('factors.confirm')}
          </Button>
        </form>
      )}
    </Dialog>
  )
}

function PasskeyDialog({ onDone, onClose }: Making) {
  const { t } = useTranslation()
  const [label, setLabel] = useState('')
  const make = useMutation({
    mutationFn: async () => {
      const question = (await call('post', '/api/v1/session/passkeys')) as unknown as Question
      const credential = await create(question)
      const body = { handle: question.handle, label: label.trim(), credential }
      return call('post', '/api/v1/session/passkeys/confirm', { body })
    },
    onSuccess: ({ codes }) => onDone(codes),
  })
  return (
    <Dialog title={t('factors.passkeyTitle')} description={t('factors.passkeyLead')} onClose={onClose}>
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          make.mutate()
        }}
      >
        {make.error && <ErrorState error={make.error} />}
        <Field
          label={t('factors.passkeyLabel')}
          hint={t('factors.passkeyLabelHint')}
          autoFocus
          required
          value={label}
          onChange={(event) => setLabel(event.target.value)}
        />
        <Button type="submit" look="primary" busy={make.isPending}>
          {t('factors.makePasskey')}
        </Button>
      </form>
    </Dialog>
  )
}

function Codes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog
      title={t('factors.codesTitle')}
      description={t('factors.codesLead')}
      onClose={onClose}
      footer={
        <>
          <CopyButton text={codes.join('\n')} />
          <Button look="primary" onClick={onClose}>
            {t('factors.codesKept')}
          </Button>
        </>
      }
    >
      <ol className="grid grid-cols-2 gap-x-6 gap-y-1.5 font-mono">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
    </Dialog>
  )
}
