import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Wrench } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { vaults } from '../../api/queries'
import { call } from '../../api/request'
import { client } from '../../app/client'
import { useCan } from '../../app/me'
import { Button } from '../../ui/button'
import { AsCli, command } from '../../ui/cli'
import { Dialog } from '../../ui/dialog'
import { Check, Select } from '../../ui/field'
import { Menu, MenuItem } from '../../ui/menu'
import { ErrorState } from '../../ui/states'
import { ProveKit, TakeKit } from './kit'
import { PruneDialog } from './prune'

const DIALOGS = {
  check: CheckDialog,
  prune: PruneDialog,
  repair: RepairDialog,
  copy: CopyDialog,
  kit: TakeKit,
  prove: ProveKit,
}
type Act = keyof typeof DIALOGS
const JOBS: Act[] = ['check', 'prune', 'repair', 'copy']
const KEYS: Act[] = ['kit', 'prove']

export interface OfVault {
  vault: string
  onClose: () => void
}

/** What can be done with a vault, each in a dialog of its own. */
export function VaultActs({ vault }: { vault: string }) {
  const { t } = useTranslation()
  const can = useCan()
  const [open, setOpen] = useState<Act>()
  const acts = [...(can('run_maintenance') ? JOBS : []), ...(can('take_keys') ? KEYS : [])]
  const Opened = open && DIALOGS[open]
  if (acts.length === 0) return null
  return (
    <>
      <Menu
        trigger={
          <Button aria-label={t('maintain.of', { name: vault })} icon={<Wrench aria-hidden size={14} />}>
            {t('maintain.open')}
          </Button>
        }
      >
        {acts.map((act) => (
          <MenuItem key={act} onSelect={() => setOpen(act)}>
            {t(`maintain.${act}`)}
          </MenuItem>
        ))}
      </Menu>
      {Opened && <Opened vault={vault} onClose={() => setOpen(undefined)} />}
    </>
  )
}

/** Asks for a job and goes to its page. */
export function useJob(ask: () => Promise<{ job: string }>) {
  const navigate = useNavigate()
  return useMutation({
    mutationFn: ask,
    onSuccess: ({ job }) => {
      void client.invalidateQueries({ queryKey: ['jobs'] })
      void navigate({ to: '/jobs/$id', params: { id: job } })
    },
  })
}

interface FrameProps {
  title: string
  lead: string
  cli: string
  run: { mutate: () => void; isPending: boolean; error: unknown }
  start: string
  disabled?: boolean
  onClose: () => void
  children: ReactNode
}

function Frame({ title, lead, cli, run, start, disabled, onClose, children }: FrameProps) {
  return (
    <Dialog
      title={title}
      description={lead}
      onClose={onClose}
      footer={
        <>
          <AsCli text={cli} />
          <span className="flex-1" />
          <Button look="primary" busy={run.isPending} disabled={disabled} onClick={() => run.mutate()}>
            {start}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        {run.error !== null && <ErrorState error={run.error} />}
        {children}
      </div>
    </Dialog>
  )
}

function CheckDialog({ vault, onClose }: OfVault) {
  const { t } = useTranslation()
  const [all, setAll] = useState(false)
  const body = { read_data: all }
  const run = useJob(() => call('post', '/api/v1/vaults/{vault}/checks', { path: { vault }, body }))
  return (
    <Frame
      onClose={onClose}
      title={t('maintain.checkTitle', { name: vault })}
      lead={t('maintain.checkLead')}
      cli={command('holdfast', 'vault', 'check', '--vault', vault, all && '--read-data')}
      run={run}
      start={t('maintain.checkStart')}
    >
      <Check
        kind="radio"
        name="depth"
        label={t('maintain.quick')}
        hint={t('maintain.quickHint')}
        checked={!all}
        onChecked={() => setAll(false)}
      />
      <Check
        kind="radio"
        name="depth"
        label={t('maintain.deep')}
        hint={t('maintain.deepHint')}
        checked={all}
        onChecked={() => setAll(true)}
      />
    </Frame>
  )
}

function useOthers(vault: string) {
  const others = (useQuery(vaults).data ?? []).filter(({ name }) => name !== vault)
  return others.map(({ name, tenants }) => ({ value: name, label: name, own: tenants.length > 0 }))
}

function RepairDialog({ vault, onClose }: OfVault) {
  const { t } = useTranslation()
  const others = useOthers(vault)
  const [from, setFrom] = useState('')
  const body = from ? { from } : {}
  const run = useJob(() => call('post', '/api/v1/vaults/{vault}/repairs', { path: { vault }, body }))
  return (
    <Frame
      onClose={onClose}
      title={t('maintain.repairTitle', { name: vault })}
      lead={t('maintain.repairLead')}
      cli={command('holdfast', 'vault', 'repair', '--vault', vault, ...(from ? ['--from', from] : []))}
      run={run}
      start={t('maintain.repairStart')}
    >
      <Select
        label={t('maintain.from')}
        value={from}
        onValue={setFrom}
        options={[{ value: '', label: t('maintain.fromNone') }, ...others]}
      />
    </Frame>
  )
}

function CopyDialog({ vault, onClose }: OfVault) {
  const { t } = useTranslation()
  const others = useOthers(vault).filter(({ own }) => !own)
  const [chosen, setChosen] = useState<string>()
  const to = chosen ?? others[0]?.value ?? ''
  const run = useJob(() => call('post', '/api/v1/vaults/{vault}/copies', { path: { vault }, body: { to } }))
  return (
    <Frame
      onClose={onClose}
      title={t('maintain.copyTitle', { name: vault })}
      lead={t('maintain.copyLead')}
      cli={command('holdfast', 'vault', 'copy', '--vault', vault, '--to', to || 'NAME')}
      run={run}
      start={t('maintain.copyStart')}
      disabled={to === ''}
    >
      {others.length === 0 ? (
        <p>{t('maintain.copyNone')}</p>
      ) : (
        <Select label={t('maintain.to')} value={to} onValue={setChosen} options={others} />
      )}
    </Frame>
  )
}
