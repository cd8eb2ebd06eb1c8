import { CircleAlert, CircleCheck, X } from 'lucide-react'
import { Toast } from 'radix-ui'
import { type ReactNode, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'

interface Note {
  id: number
  text: string
  bad: boolean
  action?: ReactNode
}

let notes: Note[] = []
let last = 0
const watchers = new Set<() => void>()

function change(next: Note[]) {
  notes = next
  for (const tell of watchers) tell()
}

export function toast(text: string, options: { bad?: boolean; action?: ReactNode } = {}) {
  last += 1
  change([...notes.slice(-3), { id: last, text, bad: options.bad ?? false, action: options.action }])
}

function watch(tell: () => void) {
  watchers.add(tell)
  return () => watchers.delete(tell)
}

export function Toasts() {
  const { t } = useTranslation()
  const shown = useSyncExternalStore(watch, () => notes)
  return (
    <Toast.Provider label={t('common.notification')} swipeDirection="right">
      {shown.map((note) => (
        <Toast.Root
          key={note.id}
          duration={note.bad ? 12_000 : 6_000}
          onOpenChange={(open) => !open && change(notes.filter(({ id }) => id !== note.id))}
          className="flex items-start gap-2.5 rounded-lg border border-line bg-surface px-3 py-2.5 shadow-pop"
        >
          {note.bad ? (
            <CircleAlert aria-hidden size={16} className="mt-0.5 shrink-0 text-danger" />
          ) : (
            <CircleCheck aria-hidden size={16} className="mt-0.5 shrink-0 text-ok" />
          )}
          <Toast.Description className="min-w-0 flex-1 break-words">
            {note.text} {note.action}
          </Toast.Description>
          <Toast.Close aria-label={t('common.close')} className="text-muted hover:text-text">
            <X aria-hidden size={16} />
          </Toast.Close>
        </Toast.Root>
      ))}
      <Toast.Viewport className="fixed right-4 bottom-4 z-50 flex w-96 max-w-[calc(100vw-2rem)] flex-col gap-2" />
    </Toast.Provider>
  )
}
