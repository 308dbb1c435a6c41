import type { ReactNode } from 'react'
import { Command } from './Command'
import s from './house.module.css'

/**
 * A Page is the frame that lists, objects and forms have in common. The command is what shows or does the same on a terminal.
 * It is a stop of the keyboard where it scrolls, since there may be nothing else on it to go to.
 */
export function Page({ crumbs, title, sentence, actions, nav, command, children, fill }: {
  crumbs?: ReactNode
  title: ReactNode
  sentence?: ReactNode
  actions?: ReactNode
  nav?: ReactNode
  command: string
  children: ReactNode
  /** Whether the content scrolls by itself, as a table or a log does. */
  fill?: boolean
}) {
  return (
    <>
      <main className={s.page} id="main" tabIndex={fill ? -1 : 0} data-fill={fill || undefined}>
        <header className={s.head}>
          <div className={s.titles}>
            {crumbs && <nav aria-label="Where you are" className={s.crumbs}>{crumbs}</nav>}
            <h1>{title}</h1>
            {sentence && <div className={s.sentence} role="status">{sentence}</div>}
          </div>
          {actions && <div className={s.row}>{actions}</div>}
        </header>
        {nav}
        <div className={s.content}>{children}</div>
      </main>
      <footer className={s.foot}>
        <Command text={command} />
      </footer>
    </>
  )
}

/** A Card is a part of a page with a heading. */
export function Card({ title, end, children, flush }: { title: ReactNode; end?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className={s.card} data-flush={flush || undefined}>
      <header>
        <h2>{title}</h2>
        {end}
      </header>
      <div>{children}</div>
    </section>
  )
}

/** Facts are names with values. Those without a value are left out. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={s.facts}>
      {of.filter(([, value]) => value !== undefined && value !== '' && value !== null && value !== false).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** A Bar shows how much of something is done or used, from 0 to 1. */
export function Bar({ value, label, state = 'running' }: { value: number; label: string; state?: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, value)) * 100)
  return (
    <div className={s.bar} role="meter" aria-label={label} aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100} data-state={state}>
      <div style={{ width: `${percent}%` }} />
    </div>
  )
}
