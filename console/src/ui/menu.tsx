import { DropdownMenu, Popover as RadixPopover } from 'radix-ui'
import type { ReactNode } from 'react'

const PANEL = 'z-50 min-w-48 rounded-lg border border-line bg-surface p-1 shadow-pop'

export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content align="end" sideOffset={4} collisionPadding={8} className={PANEL}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

interface ItemProps {
  icon?: ReactNode
  danger?: boolean
  disabled?: boolean
  onSelect: () => void
  children: ReactNode
}

export function MenuItem({ icon, danger, disabled, onSelect, children }: ItemProps) {
  return (
    <DropdownMenu.Item
      disabled={disabled}
      onSelect={onSelect}
      className={`flex cursor-pointer items-center gap-2 rounded-md px-2 py-1.5 outline-none data-[disabled]:opacity-50 data-[highlighted]:bg-sunken ${danger ? 'text-danger' : ''}`}
    >
      {icon}
      {children}
    </DropdownMenu.Item>
  )
}

export function MenuChoice<T extends string>(props: {
  label: string
  value: T
  options: readonly { value: T; label: string }[]
  onValue: (value: T) => void
}) {
  return (
    <DropdownMenu.RadioGroup value={props.value} onValueChange={(value) => props.onValue(value as T)}>
      <DropdownMenu.Label className="px-2 pt-2 pb-1 text-xs text-muted">{props.label}</DropdownMenu.Label>
      {props.options.map((option) => (
        <DropdownMenu.RadioItem
          key={option.value}
          value={option.value}
          onSelect={(event) => event.preventDefault()}
          className="flex cursor-pointer items-center justify-between gap-4 rounded-md px-2 py-1 outline-none data-[highlighted]:bg-sunken"
        >
          {option.label}
          <DropdownMenu.ItemIndicator className="text-accent">✓</DropdownMenu.ItemIndicator>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  )
}

export function MenuLine() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />
}

export function Popover({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <RadixPopover.Root>
      <RadixPopover.Trigger asChild>{trigger}</RadixPopover.Trigger>
      <RadixPopover.Portal>
        <RadixPopover.Content
          align="end"
          sideOffset={6}
          collisionPadding={8}
          className="z-50 w-[36rem] max-w-[calc(100vw-2rem)] rounded-lg border border-line bg-surface p-4 shadow-pop"
        >
          {children}
        </RadixPopover.Content>
      </RadixPopover.Portal>
    </RadixPopover.Root>
  )
}
