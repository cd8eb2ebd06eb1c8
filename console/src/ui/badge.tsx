import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CirclePause,
  CircleX,
  LoaderCircle,
  TriangleAlert,
} from 'lucide-react'
import type { ReactNode } from 'react'

export type Tone = 'ok' | 'warn' | 'danger' | 'active' | 'neutral' | 'paused' | 'failed' | 'ended'

const TONES: Record<Tone, { look: string; icon: typeof CircleCheck }> = {
  ok: { look: 'bg-ok-soft text-ok', icon: CircleCheck },
  warn: { look: 'bg-warn-soft text-warn', icon: TriangleAlert },
  danger: { look: 'bg-danger-soft text-danger', icon: CircleAlert },
  failed: { look: 'bg-danger-soft text-danger', icon: CircleX },
  active: { look: 'bg-accent-soft text-accent', icon: LoaderCircle },
  ended: { look: 'bg-sunken text-text', icon: CircleCheck },
  paused: { look: 'bg-sunken text-text', icon: CirclePause },
  neutral: { look: 'bg-sunken text-muted', icon: CircleDashed },
}

/** How something stands: a picture and a word, never colour alone. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  const { look, icon: Icon } = TONES[tone]
  return (
    <span
      className={`inline-flex items-center gap-1 rounded-sm px-1.5 text-xs leading-5 font-medium whitespace-nowrap ${look}`}
    >
      <Icon
        aria-hidden
        size={12}
        className={tone === 'active' ? 'animate-spin [animation-duration:2s]' : ''}
      />
      {children}
    </span>
  )
}

/** A word that sorts something, without judgement. */
export function Tag({ children }: { children: ReactNode }) {
  return (
    <span className="inline-flex rounded-sm border border-line px-1.5 text-xs leading-5 whitespace-nowrap text-muted">
      {children}
    </span>
  )
}
