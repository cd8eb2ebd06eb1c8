import { useMutation } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { call } from '../../api/request'
import type { Job } from '../../api/types'
import { client } from '../../app/client'
import { toast } from '../../ui/toast'

/** Asks for a backup: of one resource, or of a whole tenant. */
export function useBackup() {
  const { t } = useTranslation()
  return useMutation({
    mutationFn: (body: { tenant: string; resource?: string }) => call('post', '/api/v1/backups', { body }),
    onSuccess: () => {
      toast(t('jobs.queued'))
      void client.invalidateQueries({ queryKey: ['jobs'] })
    },
    onError: (error) => toast(error.message, { bad: true }),
  })
}

export type Act = 'pause' | 'resume' | 'cancel'

/** What can be done with a job as it stands. */
export function actsOf({ state, wanted }: Pick<Job, 'state' | 'wanted'>): Act[] {
  if (wanted) return []
  if (state === 'queued' || state === 'running') return ['pause', 'cancel']
  if (state === 'paused') return ['resume', 'cancel']
  return []
}

export function useJobAct() {
  return useMutation({
    mutationFn: ({ id, act }: { id: string; act: Act }) =>
      call('post', `/api/v1/jobs/{id}/${act}`, { path: { id } }),
    onSuccess: (_, { id }) => {
      void client.invalidateQueries({ queryKey: ['jobs'] })
      void client.invalidateQueries({ queryKey: ['job', id] })
    },
    onError: (error) => toast(error.message, { bad: true }),
  })
}
