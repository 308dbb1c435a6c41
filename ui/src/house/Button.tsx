import type { ComponentProps, ReactNode } from 'react'
import { Icon, type IconName } from './Icon'
import s from './house.module.css'

type Props = ComponentProps<'button'> & { icon?: IconName; look?: 'plain' | 'first' | 'danger' | 'quiet' }

/** A Button does something at once. What goes elsewhere is a link. */
export function Button({ icon, look = 'plain', children, ...rest }: Props) {
  return (
    <button type="button" {...rest} className={s.button} data-look={look}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  )
}

/** An IconButton has a picture for those who see it, and its label for everyone. */
export function IconButton({ icon, label, ...rest }: ComponentProps<'button'> & { icon: IconName; label: string }) {
  return (
    <button type="button" aria-label={label} title={label} {...rest} className={s.iconButton}>
      <Icon name={icon} />
    </button>
  )
}

/** Choices are few things of which one is chosen. */
export function Choices<T extends string>({ label, value, options, onChange }: {
  label: string
  value: T
  options: readonly { value: T; label: ReactNode }[]
  onChange: (value: T) => void
}) {
  return (
    <div className={s.choices} role="group" aria-label={label}>
      {options.map((o) => (
        <button key={o.value} type="button" aria-pressed={o.value === value} onClick={() => onChange(o.value)}>
          {o.label}
        </button>
      ))}
    </div>
  )
}
