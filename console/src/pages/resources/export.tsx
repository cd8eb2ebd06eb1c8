import { FileArchive } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Place } from '../../api/queries'
import { address } from '../../api/request'
import { useCan } from '../../app/me'
import { Button, buttonClass } from '../../ui/button'
import { Code, command } from '../../ui/cli'
import { Popover } from '../../ui/menu'

/** The address that gives a folder, an item or all of a resource as a ZIP. */
export function exportAddress({ resource, ...query }: Place): string {
  return address('/api/v1/resources/{resource}/export', { resource }, query)
}

export function exportCommand({ tenant, at, path }: Place, name: string): string {
  const which = ['--tenant', tenant, '--resource', name]
  const when = at === undefined ? [] : ['--at', at]
  const where = path === undefined ? [] : ['--path', path]
  return command('holdfast', 'export', ...which, ...when, ...where, '--format', 'zip', '--out', 'export.zip')
}

interface Props {
  place: Place
  /** Name of the resource, for the command line. */
  name: string
  label?: string
  small?: boolean
}

export function Export({ place, name, label, small }: Props) {
  const { t } = useTranslation()
  if (!useCan()('export')) return null
  return (
    <Popover
      trigger={
        <Button small={small} icon={<FileArchive aria-hidden size={14} />}>
          {label ?? t('export.open')}
        </Button>
      }
    >
      <p className="font-medium break-words">{place.path ?? t('export.whole', { name })}</p>
      <p className="mt-1 text-muted">{t('export.what')}</p>
      <a href={exportAddress(place)} download className={`${buttonClass('primary')} my-3`}>
        <FileArchive aria-hidden size={14} />
        {t('export.take')}
      </a>
      <Code text={exportCommand(place, name)} />
    </Popover>
  )
}
