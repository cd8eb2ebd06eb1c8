import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Command } from 'cmdk'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { resources } from '../api/queries'
import { resourceLink } from '../pages/resources/link'
import { WorkloadIcon } from '../pages/resources/workload'
import { Dialog } from '../ui/dialog'
import { useTenant } from './me'
import { useNav } from './nav'

/** Resources that are listed at most: what is typed narrows them. */
const SHOWN = 20

const ROW =
  'flex cursor-pointer items-center gap-2.5 rounded-md px-2 py-1.5 data-[selected=true]:bg-accent-soft'

export function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [typed, setTyped] = useState('')
  const nav = useNav()
  const { data = [] } = useQuery(resources(useTenant()))
  const words = typed.toLowerCase().split(/\s+/)
  const matches = (text: string) => words.every((word) => text.toLowerCase().includes(word))
  const pages = nav.filter(({ label }) => matches(label))
  const found =
    typed === '' ? [] : data.filter((one) => matches(`${one.display_name} ${one.name}`)).slice(0, SHOWN)
  const go = (to: () => unknown) => {
    onClose()
    void to()
  }
  return (
    <Dialog title={t('palette.title')} onClose={onClose}>
      <Command label={t('palette.title')} shouldFilter={false} loop>
        <Command.Input
          autoFocus
          value={typed}
          onValueChange={setTyped}
          placeholder={t('palette.placeholder')}
          className="h-9 w-full rounded-md border border-edge bg-surface px-3 placeholder:text-muted"
        />
        <Command.List className="mt-3 max-h-80 overflow-y-auto">
          <Group title={t('palette.pages')} shown={pages.length > 0}>
            {pages.map(({ to, label, icon: Icon }) => (
              <Command.Item key={to} value={to} onSelect={() => go(() => navigate({ to }))} className={ROW}>
                <Icon aria-hidden size={16} className="text-muted" />
                {label}
              </Command.Item>
            ))}
          </Group>
          <Group title={t('nav.resources')} shown={found.length > 0}>
            {found.map((one) => (
              <Command.Item
                key={one.tenant + one.id}
                value={one.tenant + one.id}
                onSelect={() => go(() => navigate(resourceLink(one)))}
                className={ROW}
              >
                <WorkloadIcon workload={one.workload} />
                <span className="truncate">{one.display_name}</span>
                <span className="truncate text-sm text-muted">{one.name}</span>
              </Command.Item>
            ))}
          </Group>
          {typed.trim() !== '' && (
            <Command.Item
              value="search"
              onSelect={() => go(() => navigate({ to: '/search', search: { q: typed } }))}
              className={ROW}
            >
              {t('palette.find', { text: typed })}
            </Command.Item>
          )}
        </Command.List>
      </Command>
    </Dialog>
  )
}

function Group({ title, shown, children }: { title: string; shown: boolean; children: ReactNode }) {
  if (!shown) return null
  return (
    <Command.Group heading={<span className="px-2 text-xs text-muted">{title}</span>} className="mb-2">
      {children}
    </Command.Group>
  )
}
