import { useQuery } from '@tanstack/react-query'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { CircleUser, Keyboard, LogOut, Search } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { me } from '../api/queries'
import { call, setCsrf } from '../api/request'
import { choose, LANGUAGES, type Language } from '../i18n'
import { Button } from '../ui/button'
import { Select } from '../ui/field'
import { Menu, MenuChoice, MenuItem, MenuLine } from '../ui/menu'
import { ErrorState, Skeleton } from '../ui/states'
import { Tip } from '../ui/tooltip'
import { client } from './client'
import { useEvents } from './events'
import { Keys } from './keys'
import { useTenant, useTenants } from './me'
import { useNav } from './nav'
import { StepUp } from './step-up'
import { chooseTheme, THEMES, type Theme, theme } from './theme'

/** Everything behind sign-in. */
export function Shell() {
  const { data, error, refetch } = useQuery(me)
  if (data) {
    if (data.csrf) setCsrf(data.csrf)
    return <Frame />
  }
  if (error) return <ErrorState error={error} onRetry={() => void refetch()} />
  return <Skeleton />
}

function Frame() {
  useEvents()
  const { t } = useTranslation()
  const [palette, setPalette] = useState(false)
  return (
    <div className="flex h-dvh">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-accent focus:px-3 focus:py-1.5 focus:text-on-accent"
      >
        {t('shell.skip')}
      </a>
      <Side />
      <div className="flex min-w-0 flex-1 flex-col">
        <header className="flex h-12 shrink-0 items-center gap-2 border-b border-line bg-surface px-4 md:px-8">
          <TenantSwitch />
          <div className="flex-1" />
          <Button
            onClick={() => setPalette(true)}
            icon={<Search aria-hidden size={14} />}
            className="text-muted"
          >
            <span className="max-sm:sr-only">{t('shell.palette')}</span>
            <kbd aria-hidden className="rounded-sm border border-line px-1 text-xs max-sm:hidden">
              Ctrl K
            </kbd>
          </Button>
          <UserMenu />
        </header>
        <Main />
      </div>
      <StepUp />
      <Keys open={palette} onOpen={setPalette} />
    </div>
  )
}

/** The page; a new one begins at its top, with the keyboard too. */
function Main() {
  const path = useRouterState({ select: (state) => state.location.pathname })
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the change of the path that counts
  useEffect(() => document.getElementById('main')?.scrollTo(0, 0), [path])
  return (
    <main id="main" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto focus:outline-none">
      <Outlet />
    </main>
  )
}

export function Mark() {
  return (
    <svg aria-hidden="true" viewBox="0 0 32 32" className="size-6 shrink-0">
      <rect width="32" height="32" rx="7" className="fill-accent" />
      <path
        d="M10 7v18M22 7v18M10 16h12"
        strokeWidth="3.4"
        strokeLinecap="round"
        className="stroke-on-accent"
      />
    </svg>
  )
}

function Side() {
  const { t } = useTranslation()
  const nav = useNav()
  return (
    <nav
      aria-label={t('shell.nav')}
      className="flex w-13 shrink-0 flex-col border-r border-line bg-surface lg:w-54"
    >
      <Link to="/" className="flex h-12 items-center gap-2.5 px-3.5 text-lg font-semibold">
        <Mark />
        <span className="max-lg:sr-only">Holdfast</span>
      </Link>
      <ul className="grid gap-0.5 overflow-y-auto px-2 py-2">
        {nav.map(({ to, label, icon: Icon }) => (
          <li key={to}>
            <Tip text={label}>
              <Link
                to={to}
                activeOptions={{ exact: to === '/', includeSearch: false }}
                className="flex h-9 items-center gap-2.5 rounded-md px-2.5 text-muted hover:bg-sunken hover:text-text aria-[current=page]:bg-accent-soft aria-[current=page]:font-medium aria-[current=page]:text-accent"
              >
                <Icon aria-hidden size={16} className="shrink-0" />
                <span className="max-lg:sr-only">{label}</span>
              </Link>
            </Tip>
          </li>
        ))}
      </ul>
    </nav>
  )
}

function TenantSwitch() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const chosen = useTenant()
  const { data = [] } = useTenants()
  if (data.length < 2 && !chosen) return <span className="truncate font-medium">{data[0]?.name}</span>
  const options = [
    { value: '', label: t('shell.allTenants') },
    ...data.map(({ name }) => ({ value: name, label: name })),
  ]
  return (
    <Select
      bare
      label={t('shell.tenant')}
      value={chosen ?? ''}
      options={options}
      onValue={(tenant) =>
        void navigate({ to: '.', search: (before: object) => ({ ...before, tenant: tenant || undefined }) })
      }
    />
  )
}

function UserMenu() {
  const { t, i18n } = useTranslation()
  const navigate = useNavigate()
  const { data } = useQuery(me)
  const [shown, setShown] = useState<Theme>(theme())
  const leave = async () => {
    await call('delete', '/api/v1/session')
    setCsrf(undefined)
    client.clear()
    await navigate({ to: '/sign-in' })
  }
  return (
    <Menu
      trigger={
        <Button look="quiet" icon={<CircleUser aria-hidden size={16} />}>
          <span className="max-w-40 truncate max-sm:sr-only">{data?.name}</span>
        </Button>
      }
    >
      <MenuItem
        icon={<CircleUser aria-hidden size={14} />}
        onSelect={() => void navigate({ to: '/account' })}
      >
        {t('shell.account')}
      </MenuItem>
      <MenuItem
        icon={<Keyboard aria-hidden size={14} />}
        onSelect={() => document.dispatchEvent(new KeyboardEvent('keydown', { key: '?' }))}
      >
        {t('keys.title')}
      </MenuItem>
      <MenuLine />
      <MenuChoice
        label={t('shell.theme')}
        value={shown}
        options={THEMES.map((value) => ({ value, label: t(`theme.${value}`) }))}
        onValue={(value) => {
          chooseTheme(value)
          setShown(value)
        }}
      />
      <MenuChoice
        label={t('shell.language')}
        value={i18n.language as Language}
        options={LANGUAGES.map((value) => ({ value, label: t(`language.${value}`) }))}
        onValue={choose}
      />
      <MenuLine />
      <MenuItem icon={<LogOut aria-hidden size={14} />} onSelect={() => void leave()}>
        {t('shell.leave')}
      </MenuItem>
    </Menu>
  )
}
