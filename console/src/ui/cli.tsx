import { Check, Copy, SquareTerminal } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button, IconButton } from './button'
import { Popover } from './menu'

/** Quotes an argument for a POSIX shell. */
export function quote(argument: string): string {
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`
}

/** A command line; what is undefined or false is left out. */
export function command(...parts: (string | undefined | false)[]): string {
  return parts
    .filter((part) => part !== undefined && part !== false)
    .map(quote)
    .join(' ')
}

export function CopyButton({ text }: { text: string }) {
  const { t } = useTranslation()
  const [done, setDone] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setDone(true)
  }
  return (
    <IconButton label={done ? t('common.copied') : t('common.copy')} onClick={() => void copy()}>
      {done ? <Check aria-hidden size={14} /> : <Copy aria-hidden size={14} />}
    </IconButton>
  )
}

export function Code({ text }: { text: string }) {
  return (
    <div className="flex items-start gap-1 rounded-md border border-line bg-sunken py-1 pr-1 pl-3">
      <pre tabIndex={0} className="min-w-0 flex-1 overflow-x-auto py-1.5 font-mono text-sm">
        {text}
      </pre>
      <CopyButton text={text} />
    </div>
  )
}

/** The command that does, or shows, the same. */
export function AsCli({ text }: { text: string }) {
  const { t } = useTranslation()
  return (
    <Popover
      trigger={
        <Button look="quiet" icon={<SquareTerminal aria-hidden size={14} />}>
          {t('cli.open')}
        </Button>
      }
    >
      <p className="mb-2 font-medium">{t('cli.title')}</p>
      <Code text={text} />
      <p className="mt-2 text-sm text-muted">{t('cli.note')}</p>
    </Popover>
  )
}
