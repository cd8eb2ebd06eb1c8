import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { Tip } from './tooltip'

type Look = 'primary' | 'plain' | 'quiet' | 'danger'

const LOOKS: Record<Look, string> = {
  primary: 'bg-accent text-on-accent border-transparent enabled:hover:bg-accent-hover',
  plain: 'bg-surface text-text border-edge enabled:hover:bg-sunken',
  quiet: 'bg-transparent text-text border-transparent enabled:hover:bg-sunken',
  danger: 'bg-danger text-on-danger border-transparent enabled:hover:opacity-90',
}

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look
  small?: boolean
  /** Something is under way: it cannot be pressed again. */
  busy?: boolean
  icon?: ReactNode
}

export function buttonClass(look: Look = 'plain', small = false): string {
  const size = small ? 'h-7 px-2 text-sm' : 'h-8 px-3'
  return `inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap transition-colors disabled:opacity-50 ${size} ${LOOKS[look]}`
}

export function Button({ look, small, busy, icon, children, disabled, className = '', ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={`${buttonClass(look, small)} ${className}`}
    >
      {icon}
      {children}
    </button>
  )
}

/** A button that is only a picture; its name is read out and shown on hover. */
export function IconButton({ label, children, className = '', ...rest }: Props & { label: string }) {
  return (
    <Tip text={label}>
      <button
        type="button"
        aria-label={label}
        {...rest}
        className={`inline-flex size-8 shrink-0 items-center justify-center rounded-md text-muted hover:bg-sunken hover:text-text disabled:opacity-50 ${className}`}
      >
        {children}
      </button>
    </Tip>
  )
}
