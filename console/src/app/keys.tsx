import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Dialog } from '../ui/dialog'
import { Palette } from './palette'

/** The second key after `g`, and where it leads. */
export const GO = {
  h: '/',
  r: '/resources',
  s: '/search',
  j: '/jobs',
  v: '/vaults',
  a: '/audit',
  d: '/system',
} as const

function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement
  return target.isContentEditable || ['INPUT', 'SELECT', 'TEXTAREA'].includes(target.tagName)
}

/** The keys of the whole console, the sheet that lists them, and the palette. */
export function Keys({ open, onOpen }: { open: boolean; onOpen: (open: boolean) => void }) {
  const navigate = useNavigate()
  const [sheet, setSheet] = useState(false)
  useEffect(() => {
    let before = ''
    const pressed = (event: KeyboardEvent) => {
      if (event.key === 'k' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault()
        onOpen(true)
        return
      }
      if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return
      const target = before === 'g' ? GO[event.key as keyof typeof GO] : undefined
      before = event.key
      if (target) void navigate({ to: target })
      else if (event.key === '?') setSheet(true)
      else if (event.key === '/') {
        event.preventDefault()
        void navigate({ to: '/search' })
      }
    }
    document.addEventListener('keydown', pressed)
    return () => document.removeEventListener('keydown', pressed)
  }, [navigate, onOpen])
  return (
    <>
      {open && <Palette onClose={() => onOpen(false)} />}
      {sheet && <Sheet onClose={() => setSheet(false)} />}
    </>
  )
}

function Key({ name }: { name: string }) {
  return <kbd className="rounded-sm border border-edge bg-sunken px-1.5 py-0.5 font-mono text-xs">{name}</kbd>
}

function Sheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const keys: [string[], string][] = [
    [['Ctrl', 'K'], t('keys.palette')],
    [['/'], t('keys.search')],
    [['?'], t('keys.sheet')],
    [['Esc'], t('keys.close')],
    [['←', '→'], t('keys.time')],
    [['g', 'h'], t('nav.home')],
    [['g', 'r'], t('nav.resources')],
    [['g', 's'], t('nav.search')],
    [['g', 'j'], t('nav.jobs')],
    [['g', 'v'], t('nav.vaults')],
    [['g', 'a'], t('nav.audit')],
    [['g', 'd'], t('nav.system')],
  ]
  return (
    <Dialog title={t('keys.title')} onClose={onClose}>
      <dl className="grid grid-cols-[max-content_1fr] items-center gap-x-6 gap-y-2">
        {keys.map(([names, text]) => (
          <div key={names.join()} className="contents">
            <dt className="flex gap-1">
              {names.map((name) => (
                <Key key={name} name={name} />
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
