import { Menu as Base } from '@base-ui/react/menu'
import type { ReactNode } from 'react'
import { Icon, type IconName } from './Icon'
import s from './house.module.css'

export interface MenuItem {
  label: string
  onSelect: () => void
  danger?: boolean
  icon?: IconName
  /** Why it cannot be done now; it stands in the menu, and does nothing. */
  barred?: string | undefined
}

/** A Menu is a button with more to choose from behind it. */
export function Menu({ label, trigger, items }: { label: string; trigger: ReactNode; items: readonly MenuItem[] }) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger aria-label={label} className={s.menuTrigger}>{trigger}</Base.Trigger>
      <Base.Portal>
        <Base.Positioner className={s.floating} sideOffset={4} align="end">
          <Base.Popup className={s.menu}>
            {items.map((item) => (
              <Base.Item key={item.label} className={s.menuItem} data-danger={item.danger || undefined} disabled={item.barred !== undefined}
                onClick={item.onSelect}>
                {item.icon && <Icon name={item.icon} />}
                <span>
                  {item.label}
                  {item.barred && <small>{item.barred}</small>}
                </span>
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
