import { useQuery } from '@tanstack/react-query'
import { Paperclip } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { type Place, preview } from '../../api/queries'
import { address } from '../../api/request'
import type { Person, Preview } from '../../api/types'
import { Code } from '../../ui/cli'
import { Loaded } from '../../ui/states'
import { Bytes, When } from '../../ui/time'

const ROOT = '/api/v1/resources/{resource}/preview'

/** What a message says: its attachments, its body, its header block. */
export function Message({ place }: { place: Place }) {
  const { t } = useTranslation()
  const seen = useQuery(preview(place))
  const { resource, ...query } = place
  return (
    <Loaded query={seen} lines={3}>
      {(message) => (
        <section aria-label={t('message.title')} className="grid gap-3">
          {message.attachments.length > 0 && <Attachments message={message} place={place} />}
          {/* Nothing in it runs, loads or leads away: `sandbox` here, and the policy of the answer. */}
          <iframe
            sandbox=""
            title={t('message.body')}
            src={address(`${ROOT}/body`, { resource }, query)}
            className="h-80 w-full resize-y rounded-md border border-line bg-white"
          />
          <p className="text-sm text-muted">{t('message.pictures')}</p>
          {message.headers && (
            <details>
              <summary className="text-accent">{t('message.headers')}</summary>
              <div className="mt-2 max-h-80 overflow-y-auto">
                <Code text={message.headers} />
              </div>
            </details>
          )}
        </section>
      )}
    </Loaded>
  )
}

function Attachments({ message, place }: { message: Preview; place: Place }) {
  const { t } = useTranslation()
  const { resource, ...query } = place
  return (
    <ul aria-label={t('message.attachments')} className="grid gap-1">
      {message.attachments.map((one, number) => (
        <li key={number}>
          <a
            download
            href={address(`${ROOT}/attachments/{number}`, { resource, number }, query)}
            title={one.content_type}
            className="flex items-center gap-2 rounded-md border border-line px-2.5 py-1 hover:bg-sunken"
          >
            <Paperclip aria-hidden size={14} className="shrink-0 text-muted" />
            <span className="min-w-0 flex-1 truncate">{one.name || t('message.unnamed')}</span>
            {one.inline && <span className="text-sm text-muted">{t('message.inline')}</span>}
            <span className="text-sm text-muted">
              <Bytes value={one.size} />
            </span>
          </a>
        </li>
      ))}
    </ul>
  )
}

/** A name with its address, as in mail. */
export function written({ name, address }: Person): string {
  if (name === '' || name === address) return address
  return address === '' ? name : `${name} <${address}>`
}

type Fact = [string, React.ReactNode]

/** Between whom and when; the facts of a list, said more fully. */
export function usePeople(place: Place, enabled: boolean): Fact[] {
  const { t } = useTranslation()
  const { data } = useQuery({ ...preview(place), enabled })
  if (!data) return []
  const line = (name: string, people: Person[]): Fact[] =>
    people.length > 0 ? [[name, people.map(written).join(', ')]] : []
  const time = (name: string, value: string | null | undefined): Fact[] =>
    value ? [[name, <When key={name} time={value} />]] : []
  return [
    ...line(t('browse.from'), data.from ? [data.from] : []),
    ...line(t('message.to'), data.to),
    ...line(t('message.cc'), data.cc),
    ...line(t('message.bcc'), data.bcc),
    ...time(t('message.sent'), data.sent),
    ...time(t('browse.received'), data.received),
  ]
}
