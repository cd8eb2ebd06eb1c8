import { type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { Mark } from '../../app/shell'
import { choose, LANGUAGES } from '../../i18n'

/** The pages before sign-in: one narrow column. */
export function Frame({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) {
  const { t, i18n } = useTranslation()
  useEffect(() => {
    document.title = `${title} · Holdfast`
  }, [title])
  return (
    <div className="grid min-h-dvh place-items-center px-4 py-8">
      <main className="w-full max-w-sm">
        <p className="mb-6 flex items-center gap-2.5 text-lg font-semibold">
          <Mark />
          Holdfast
        </p>
        <div className="rounded-lg border border-line bg-surface p-6">
          <h1 className="text-xl font-semibold">{title}</h1>
          {lead && <p className="text-muted">{lead}</p>}
          <div className="mt-5">{children}</div>
        </div>
        <p className="mt-4 flex gap-3 text-sm">
          {LANGUAGES.map((language) => (
            <button
              key={language}
              type="button"
              lang={language}
              aria-pressed={i18n.language === language}
              className="text-muted underline-offset-2 hover:text-text aria-[pressed=false]:underline aria-pressed:text-text"
              onClick={() => choose(language)}
            >
              {t(`language.${language}`)}
            </button>
          ))}
        </p>
      </main>
    </div>
  )
}
