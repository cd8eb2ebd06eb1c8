import { Cloud, Mail, PanelsTopLeft } from 'lucide-react'
import { useTranslation } from 'react-i18next'

const ICONS = { exchange: Mail, onedrive: Cloud, sharepoint: PanelsTopLeft }
export const WORKLOADS = ['exchange', 'onedrive', 'sharepoint'] as const

export function WorkloadIcon({ workload }: { workload: string }) {
  const Icon = ICONS[workload as keyof typeof ICONS] ?? Mail
  return <Icon aria-hidden size={16} className="shrink-0 text-muted" />
}

export function WorkloadName({ workload }: { workload: string }) {
  const { t } = useTranslation()
  return (
    <span className="inline-flex items-center gap-2">
      <WorkloadIcon workload={workload} />
      {t(`workload.${workload}`)}
    </span>
  )
}
