import { useTranslation } from 'react-i18next'
import type { Attained, Resource } from '../../api/types'
import { Badge, type Tone } from '../../ui/badge'
import { standingOf } from './filter'

const TONES: Record<string, Tone> = { kept: 'ok', missed: 'danger', first: 'warn', stale: 'warn' }

export function Standing({ resource, attained }: { resource: Resource; attained?: Attained }) {
  const { t } = useTranslation()
  const standing = standingOf({ ...resource, attained })
  const why = standing === 'skipped' && resource.skip_cause ? t(`skip.${resource.skip_cause}`) : undefined
  return (
    <span title={why}>
      <Badge tone={TONES[standing] ?? 'neutral'}>{t(`standing.${standing}`)}</Badge>
    </span>
  )
}
