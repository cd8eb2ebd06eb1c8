import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { call } from '../../api/request'
import { client } from '../../app/client'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { Check, Field, Select, TextArea } from '../../ui/field'
import { ErrorState } from '../../ui/states'
import { toast } from '../../ui/toast'
import { blank, bodyOf, isStore } from './new'

type Form = typeof blank

/** Makes a vault, or attaches one that is there. */
export function AddVault({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [form, setForm] = useState(blank)
  const set = (change: Partial<Form>) => setForm({ ...form, ...change })
  const add = useMutation({
    mutationFn: () => call('post', '/api/v1/vaults', { body: bodyOf(form) }),
    onSuccess: ({ created, name }) => {
      void client.invalidateQueries({ queryKey: ['vaults'] })
      toast(created ? t('newVault.made', { name }) : t('newVault.attached', { name }))
      onClose()
    },
  })
  const text = (name: 'name' | 'location' | 'passphrase' | 'secret') => ({
    required: true,
    value: form[name],
    autoComplete: name === 'passphrase' || name === 'secret' ? 'new-password' : 'off',
    onChange: (event: { target: { value: string } }) => set({ [name]: event.target.value }),
  })
  return (
    <Dialog title={t('newVault.open')} description={t('newVault.lead')} onClose={onClose}>
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          add.mutate()
        }}
      >
        {add.error && <ErrorState error={add.error} />}
        <Field label={t('newVault.name')} autoFocus {...text('name')} />
        <Field label={t('vaults.location')} hint={t('newVault.locationHint')} {...text('location')} />
        <Select
          label={t('newVault.opensWith')}
          value={form.opens}
          onValue={(opens) => set({ opens })}
          options={['passphrase', 'kit'].map((value) => ({ value, label: t(`newVault.${value}`) }))}
        />
        {form.opens === 'passphrase' ? (
          <Field
            type="password"
            label={t('newVault.passphrase')}
            hint={t('newVault.passphraseHint')}
            {...text('passphrase')}
          />
        ) : (
          <Field
            type="password"
            label={t('newVault.secret')}
            hint={t('newVault.secretHint')}
            {...text('secret')}
          />
        )}
        {isStore(form.location) && <Store form={form} set={set} />}
        <Check
          label={t('vaults.appendOnly')}
          hint={t('newVault.appendOnlyHint')}
          checked={form.append_only}
          onChecked={(append_only) => set({ append_only })}
        />
        <Button type="submit" look="primary" busy={add.isPending}>
          {t('newVault.open')}
        </Button>
      </form>
    </Dialog>
  )
}

const LOCKS = ['governance', 'compliance']

/** What an object store needs besides. */
function Store({ form, set }: { form: Form; set: (change: Partial<Form>) => void }) {
  const { t } = useTranslation()
  return (
    <>
      <TextArea
        label={t('newVault.credentials')}
        hint={t('newVault.credentialsHint')}
        required
        value={form.credentials}
        onChange={(event) => set({ credentials: event.target.value })}
      />
      <TextArea
        label={t('newVault.maintenance')}
        hint={t('newVault.maintenanceHint')}
        value={form.maintenance_credentials}
        onChange={(event) => set({ maintenance_credentials: event.target.value })}
      />
      <Select
        label={t('newVault.lock')}
        value={form.lock_mode}
        onValue={(lock_mode) => set({ lock_mode })}
        options={[
          { value: '', label: t('newVault.lockNone') },
          ...LOCKS.map((value) => ({ value, label: t(`newVault.${value}`) })),
        ]}
      />
      {form.lock_mode !== '' && (
        <Field
          type="number"
          min={1}
          required
          label={t('newVault.lockDays')}
          value={form.lock_days}
          onChange={(event) => set({ lock_days: event.target.value })}
        />
      )}
    </>
  )
}
