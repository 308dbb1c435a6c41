import { Menu as Base } from '@base-ui/react/menu'
import { useState } from 'react'
import { Icon } from './Icon'
import type { Column } from './Table'
import s from './house.module.css'

/** A Choice of columns: their ids, in the order of the table. */
export type ColumnIds = readonly string[]

/**
 * useColumns are the columns that somebody has chosen to see. The address has
 * them, so that a link shows the same; where it says nothing this browser knows
 * what was chosen last, under key. The first that must stay always does.
 */
export function useColumns<Row>(key: string, all: readonly Column<Row>[], fixed: string, said: string | undefined, say: (ids: string | undefined) => void) {
  const [kept, keep] = useState(() => localStorage.getItem(key) ?? undefined)
  const wanted = (said ?? kept)?.split(',')
  const columns = wanted ? all.filter((c) => c.id === fixed || wanted.includes(c.id)) : all
  const choose = (ids: ColumnIds) => {
    const text = ids.length === all.length ? undefined : ids.join(',')
    if (text === undefined) localStorage.removeItem(key)
    else localStorage.setItem(key, text)
    keep(text)
    say(text)
  }
  return { columns, choose }
}

/** ColumnChooser is a menu of all columns, of which those that are shown have a mark. */
export function ColumnChooser<Row>({ all, shown, fixed, onChoose }: { all: readonly Column<Row>[]; shown: readonly Column<Row>[]; fixed: string; onChoose: (ids: ColumnIds) => void }) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger className={s.menuTrigger}>Columns</Base.Trigger>
      <Base.Portal>
        <Base.Positioner className={s.floating} sideOffset={4} align="end">
          <Base.Popup className={s.menu}>
            {all.filter((c) => c.id !== fixed).map((c) => {
              const checked = shown.includes(c)
              return (
                <Base.CheckboxItem key={c.id} className={s.menuItem} checked={checked} closeOnClick={false}
                  onCheckedChange={(on) => onChoose(all.filter((o) => (o === c ? on : shown.includes(o))).map((o) => o.id))}>
                  <span className={s.mark}>{checked && <Icon name="done" size={14} />}</span>
                  <span>{c.title}</span>
                </Base.CheckboxItem>
              )
            })}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
