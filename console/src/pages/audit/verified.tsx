import { ShieldCheck, ShieldX } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import type { Verification } from '../../api/types'

/** What verifying the record found. */
export function Verified({ result }: { result: Verification }) {
  const { t } = useTranslation()
  const Icon = result.ok ? ShieldCheck : ShieldX
  return (
    <section
      aria-live="polite"
      className={`flex gap-3 rounded-lg border px-4 py-3 ${result.ok ? 'border-ok bg-ok-soft' : 'border-danger bg-danger-soft'}`}
    >
      <Icon aria-hidden size={20} className={`shrink-0 ${result.ok ? 'text-ok' : 'text-danger'}`} />
      <div className="min-w-0">
        <p className="font-semibold">
          {result.ok
            ? t('audit.good', { count: result.entries })
            : t('audit.bad', { count: result.faults_in_all })}
        </p>
        <p className="text-muted">
          {t('audit.signed', { to: result.signed_up_to, last: result.last, count: result.heads })}
        </p>
        {result.faults.length > 0 && (
          <ul className="mt-1 list-inside list-disc">
            {result.faults.map((fault) => (
              <li key={`${fault.number}${fault.kind}`}>
                {fault.number}: {fault.detail}
              </li>
            ))}
          </ul>
        )}
        <p className="mt-1 font-mono text-xs break-all text-muted">{result.public_key}</p>
      </div>
    </section>
  )
}
