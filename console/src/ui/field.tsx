import { ChevronDown } from 'lucide-react'
import {
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from 'react'

const CONTROL =
  'h-8 w-full min-w-0 rounded-md border border-edge bg-surface px-2.5 text-text placeholder:text-muted disabled:opacity-60 aria-invalid:border-danger'

interface Labelled {
  label: string
  hint?: ReactNode
  problem?: string
}

function Frame({ id, label, hint, problem, children }: Labelled & { id: string; children: ReactNode }) {
  return (
    <div className="grid gap-1">
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children}
      {hint && !problem && (
        <p id={`${id}-hint`} className="text-sm text-muted">
          {hint}
        </p>
      )}
      {problem && (
        <p id={`${id}-problem`} className="text-sm text-danger">
          {problem}
        </p>
      )}
    </div>
  )
}

function described(id: string, { hint, problem }: Labelled) {
  return {
    id,
    'aria-invalid': problem ? true : undefined,
    'aria-describedby': problem ? `${id}-problem` : hint ? `${id}-hint` : undefined,
  }
}

type FieldProps = Labelled & InputHTMLAttributes<HTMLInputElement>

export function Field({ label, hint, problem, className = '', ...rest }: FieldProps) {
  const id = useId()
  return (
    <Frame id={id} label={label} hint={hint} problem={problem}>
      <input {...rest} {...described(id, { label, hint, problem })} className={`${CONTROL} ${className}`} />
    </Frame>
  )
}

type AreaProps = Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>

export function TextArea({ label, hint, problem, ...rest }: AreaProps) {
  const id = useId()
  return (
    <Frame id={id} label={label} hint={hint} problem={problem}>
      <textarea
        rows={3}
        spellCheck={false}
        autoComplete="off"
        {...rest}
        {...described(id, { label, hint, problem })}
        className={`${CONTROL} h-auto py-1.5 font-mono text-sm`}
      />
    </Frame>
  )
}

type SelectProps = Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange'> & {
  label: string
  options: readonly { value: string; label: string }[]
  onValue: (value: string) => void
  /** The name is read out, not shown. */
  bare?: boolean
}

export function Select({ label, options, onValue, bare, className = '', ...rest }: SelectProps) {
  const id = useId()
  const control = (
    <span className={`relative ${bare ? 'inline-block' : 'block'} ${className}`}>
      <select
        {...rest}
        id={id}
        aria-label={bare ? label : undefined}
        onChange={(event) => onValue(event.target.value)}
        className={`${CONTROL} appearance-none pr-8`}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
      <ChevronDown
        aria-hidden
        size={14}
        className="pointer-events-none absolute top-2.5 right-2.5 text-muted"
      />
    </span>
  )
  if (bare) return control
  return (
    <Frame id={id} label={label}>
      {control}
    </Frame>
  )
}

type CheckProps = Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange' | 'type'> & {
  label: ReactNode
  hint?: ReactNode
  kind?: 'checkbox' | 'radio'
  onChecked: (checked: boolean) => void
}

export function Check({ label, hint, kind = 'checkbox', onChecked, ...rest }: CheckProps) {
  return (
    <label className="flex items-start gap-2">
      <input
        {...rest}
        type={kind}
        onChange={(event) => onChecked(event.target.checked)}
        className="mt-1 size-3.5 shrink-0 accent-(--accent)"
      />
      <span>
        {label}
        {hint && <span className="block text-sm text-muted">{hint}</span>}
      </span>
    </label>
  )
}
