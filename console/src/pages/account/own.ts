import { useQuery } from '@tanstack/react-query'
import { me, user } from '../../api/queries'

/**
 * Who is signed in, with factors and passkeys. Only an administrator may ask for that; for others
 * `data` stays undefined, and pages offer what there might be.
 */
export function useOwnUser() {
  const who = useQuery(me).data
  const may = who?.rights.includes('manage_users') ?? false
  return useQuery({ ...user(who?.user ?? ''), enabled: may })
}
