import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { type ReactNode, useEffect, useId } from 'react'
import { useTranslation } from 'react-i18next'

/** What lies behind a dialog takes no part: neither for the keyboard nor for a screen reader. */
function Behind({ id }: { id: string }) {
  useEffect(() => {
    const others = [...document.querySelectorAll(`#root, [data-dialog]:not([data-dialog="${id}"])`)]
    const covered = others.filter((each) => !each.hasAttribute('inert'))
    for (const each of covered) each.toggleAttribute('inert', true)
    return () => {
      for (const each of covered) each.toggleAttribute('inert', false)
    }
  }, [id])
  return <div className="fixed inset-0 z-40 bg-shade" />
}

interface Props {
  title: string
  description?: ReactNode
  wide?: boolean
  onClose: () => void
  children: ReactNode
  footer?: ReactNode
}

// Not Radix's own "modal": that puts a style sheet into the page, which the content security policy
// forbids; `inert` does the same.
export function Dialog({ title, description, wide, onClose, children, footer }: Props) {
  const { t } = useTranslation()
  const id = useId()
  return (
    <Radix.Root open modal={false} onOpenChange={(stays) => !stays && onClose()}>
      <Radix.Portal>
        <Behind id={id} />
        <Radix.Content
          data-dialog={id}
          aria-describedby={description ? undefined : ''}
          onInteractOutside={(event) => event.preventDefault()}
          className={`fixed top-1/2 left-1/2 z-40 flex max-h-[90dvh] w-[calc(100vw-2rem)] -translate-x-1/2 -translate-y-1/2 flex-col rounded-lg border border-line bg-surface shadow-pop ${wide ? 'max-w-3xl' : 'max-w-lg'}`}
        >
          <header className="flex items-start gap-4 border-b border-line px-5 py-3">
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-lg font-semibold break-words">{title}</Radix.Title>
              {description && <Radix.Description className="text-muted">{description}</Radix.Description>}
            </div>
            <Radix.Close
              aria-label={t('common.close')}
              className="inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted hover:bg-sunken hover:text-text"
            >
              <X size={16} aria-hidden />
            </Radix.Close>
          </header>
          <div className="min-h-0 flex-1 overflow-y-auto px-5 py-4">{children}</div>
          {footer && (
            <footer className="flex flex-wrap items-center justify-end gap-2 border-t border-line px-5 py-3">
              {footer}
            </footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
