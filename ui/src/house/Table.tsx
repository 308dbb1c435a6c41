import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, useState, type KeyboardEvent, type ReactNode } from 'react'
import { Icon } from './Icon'
import { useNarrow } from './useNarrow'
import s from './house.module.css'

export interface Column<Row> {
  id: string
  title: string
  /** A track of a CSS grid: 8rem, minmax(10rem, 2fr). */
  width: string
  cell: (row: Row) => ReactNode
  /** What the column is sorted by; a column without it cannot be. */
  by?: (row: Row) => string | number
  end?: boolean
  /** Left out where the page is narrow. */
  wide?: boolean
}

export interface Sort {
  column: string
  down: boolean
}

/** sortRows orders rows by a column, and leaves equal ones as they were. */
export function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | undefined): readonly Row[] {
  const by = columns.find((c) => c.id === sort?.column)?.by
  if (!sort || !by) return rows
  const keyed = rows.map((row) => ({ row, key: by(row) }))
  const turn = sort.down ? -1 : 1
  keyed.sort((a, b) => turn * (typeof a.key === 'number' && typeof b.key === 'number' ? a.key - b.key : collator.compare(String(a.key), String(b.key))))
  return keyed.map((k) => k.row)
}

const collator = new Intl.Collator('en', { numeric: true })

const rowHeight = 36

/**
 * A Table shows rows, of which only those in sight exist. Arrows move, Enter
 * opens, space selects. Its height is what is left of the page.
 */
export function Table<Row>({ label, columns: all, rows, keyOf, onOpen, sort, onSort, selected, onSelect, groupOf, height }: {
  label: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
  onOpen?: (row: Row) => void
  sort?: Sort | undefined
  onSort?: (sort: Sort) => void
  selected?: ReadonlySet<string>
  onSelect?: (selected: ReadonlySet<string>) => void
  /** Rows that follow each other and are of one group get a heading. */
  groupOf?: ((row: Row) => string) | undefined
  /** A fixed height in pixels, for a table within a page. */
  height?: number
}) {
  const box = useRef<HTMLDivElement>(null)
  const [at, setAt] = useState(-1)
  const narrow = useNarrow()
  const columns = narrow ? all.filter((c) => !c.wide) : all
  const lines = groupOf ? grouped(rows, groupOf) : rows.map((row): Line<Row> => ({ row }))
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  })
  const tracks = [...(onSelect ? ['36px'] : []), ...columns.map((c) => c.width)].join(' ')

  const toggle = (key: string) => {
    const next = new Set(selected)
    if (!next.delete(key)) next.add(key)
    onSelect?.(next)
  }
  const move = (to: number, step: number) => {
    let i = Math.min(lines.length - 1, Math.max(0, to))
    if (lines[i] && !lines[i]?.row) i = Math.min(lines.length - 1, Math.max(0, i + step))
    setAt(i)
    virtual.scrollToIndex(i)
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-line="${i}"]`)?.focus())
  }
  const onKeyDown = (e: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, j: at + 1, k: at - 1, PageDown: at + 15, PageUp: at - 15, Home: 0, End: lines.length - 1 }
    const to = moves[e.key]
    const row = lines[at]?.row
    if ((e.target as HTMLElement).tagName === 'INPUT' && e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return
    if (e.metaKey || e.ctrlKey || e.altKey) return
    if (to !== undefined) move(to, e.key === 'ArrowUp' || e.key === 'k' ? -1 : 1)
    else if (e.key === 'Enter' && row && onOpen && e.target === e.currentTarget.querySelector(`[data-line="${at}"]`)) onOpen(row)
    else if (e.key === ' ' && row && onSelect) toggle(keyOf(row))
    else return
    e.preventDefault()
  }
  return (
    <div ref={box} className={s.table} role="table" aria-label={label} aria-rowcount={lines.length + 1} onKeyDown={onKeyDown}
      style={height ? { height: Math.min(height, (lines.length + 1) * rowHeight + 2) } : undefined} data-fixed={height ? true : undefined}>
      <div role="rowgroup" className={s.tableHead}>
        <div role="row" className={s.tableRow} style={{ gridTemplateColumns: tracks }}>
          {onSelect && (
            <div role="columnheader" className={s.cell}>
              <input type="checkbox" aria-label="Select all" checked={rows.length > 0 && selected?.size === rows.length}
                onChange={() => onSelect(selected?.size === rows.length ? new Set() : new Set(rows.map(keyOf)))} />
            </div>
          )}
          {columns.map((c) => {
            const sorted = sort?.column === c.id
            return (
              <div key={c.id} role="columnheader" className={s.cell} data-end={c.end}
                aria-sort={sorted ? (sort.down ? 'descending' : 'ascending') : undefined}>
                {c.by && onSort ? (
                  <button type="button" onClick={() => onSort({ column: c.id, down: sorted ? !sort.down : false })}>
                    {c.title}
                    {sorted && <Icon name={sort.down ? 'down' : 'up'} size={12} />}
                  </button>
                ) : c.title}
              </div>
            )
          })}
        </div>
      </div>
      <div role="rowgroup" className={s.tableBody} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((v) => {
          const line = lines[v.index]
          if (!line) return null
          if (!line.row)
            return (
              <div key={`group ${line.group}`} role="row" className={s.groupRow} style={{ transform: `translateY(${v.start}px)` }}>
                <div role="cell">{line.group} <span className={s.muted}>{line.size}</span></div>
              </div>
            )
          const row = line.row
          const key = keyOf(row)
          return (
            <div key={key} role="row" aria-rowindex={v.index + 2} data-line={v.index} tabIndex={v.index === Math.max(0, at) ? 0 : -1} className={s.tableRow}
              data-selected={selected?.has(key) || undefined} data-opens={onOpen ? true : undefined} onFocus={() => setAt(v.index)}
              style={{ gridTemplateColumns: tracks, transform: `translateY(${v.start}px)` }}
              onClick={(e) => { if (onOpen && !(e.target as HTMLElement).closest('a, button, input')) onOpen(row) }}>
              {onSelect && (
                <div role="cell" className={s.cell}>
                  <input type="checkbox" aria-label={`Select ${key}`} checked={selected?.has(key) ?? false} onChange={() => toggle(key)} tabIndex={-1} />
                </div>
              )}
              {columns.map((c) => <div key={c.id} role="cell" className={s.cell} data-end={c.end}>{c.cell(row)}</div>)}
            </div>
          )
        })}
      </div>
    </div>
  )
}

interface Line<Row> {
  row?: Row
  group?: string
  size?: number
}

function grouped<Row>(rows: readonly Row[], groupOf: (row: Row) => string): Line<Row>[] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(groupOf(row))
    if (group) group.push(row)
    else groups.set(groupOf(row), [row])
  }
  return [...groups].flatMap(([group, of]): Line<Row>[] => [{ group, size: of.length }, ...of.map((row) => ({ row }))])
}
