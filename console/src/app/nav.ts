import {
  Activity,
  CalendarClock,
  Database,
  FileClock,
  House,
  Inbox,
  Search,
  ShieldCheck,
  Users,
} from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useCan } from './me'

/** The pages that who is signed in may see. */
export function useNav() {
  const { t } = useTranslation()
  const can = useCan()
  const all = [
    { to: '/', label: t('nav.home'), icon: House, right: 'view_resources' },
    { to: '/resources', label: t('nav.resources'), icon: Inbox, right: 'view_resources' },
    { to: '/search', label: t('nav.search'), icon: Search, right: 'search' },
    { to: '/jobs', label: t('nav.jobs'), icon: Activity, right: 'view_jobs' },
    { to: '/schedules', label: t('nav.schedules'), icon: CalendarClock, right: 'view_resources' },
    { to: '/vaults', label: t('nav.vaults'), icon: Database, right: 'view_system' },
    { to: '/users', label: t('nav.users'), icon: Users, right: 'manage_users' },
    { to: '/audit', label: t('nav.audit'), icon: FileClock, right: 'view_audit' },
    { to: '/system', label: t('nav.system'), icon: ShieldCheck, right: 'view_system' },
  ] as const
  return all.filter(({ right }) => can(right))
}
