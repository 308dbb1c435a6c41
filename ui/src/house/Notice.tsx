import { useEffect, useState, type ReactNode } from 'react'
import { notHere, type ApiError } from '../live/client'
import type { Rights } from '../live/rights'
import { Button } from './Button'
import { Copy } from './Copy'
import { Icon, type IconName } from './Icon'
import s from './house.module.css'

/** A Notice stands where content would: it says what is so, and what to do. */
export function Notice({ icon, title, children, actions, tone }: {
  icon?: IconName
  title: string
  children?: ReactNode
  actions?: ReactNode
  tone?: 'failed' | 'waiting'
}) {
  return (
    <section className={s.notice} data-tone={tone} role={tone === 'failed' ? 'alert' : undefined}>
      <h2>
        {icon && <Icon name={icon} size={18} />}
        {title}
      </h2>
      {children && <div className={s.muted}>{children}</div>}
      {actions && <div className={s.row}>{actions}</div>}
    </section>
  )
}

/** Problem says what went wrong in reading: no connection, no right, gone, or what weir said. */
export function Problem({ problem, what, retry }: { problem: ApiError; what: string; retry?: () => void }) {
  const again = retry && <Button onClick={retry}>Try again</Button>
  if (problem.status === 403)
    return (
      <Notice icon="alert" title={`You may not see ${what}`} actions={<Copy text={problem.message} label="Copy details" />}>
        Someone with the role admin of this namespace can give you the role view. {problem.message}
      </Notice>
    )
  // Beside somebody else's cluster weir has less of its own.
  if (notHere(problem)) return <Notice title={`${capital(what)}: not on this cluster`}>They are there where weir runs the cluster itself, as <code>weir up</code> does.</Notice>
  if (problem.status === 404)
    return <Notice icon="alert" title={`weir does not find ${what}`} actions={again}>{problem.message}</Notice>
  if (problem.status === 0)
    return <Notice tone="failed" icon="alert" title="weir does not answer" actions={again}>
      The page asks again by itself, and shows {what} as soon as weir is back. To start it: <code>weir up</code>
    </Notice>
  return (
    <Notice tone="failed" icon="alert" title={`${capital(what)} cannot be read`} actions={<>{again}<Copy text={problem.message} label="Copy details" /></>}>
      {problem.message}
    </Notice>
  )
}

/** OnlyView says why there is nothing to press, to who has only such rights. */
export const OnlyView = ({ may, namespace }: { may: Rights; namespace: string }) =>
  may.known && <span className={s.muted}>{namespace === '' ? 'You may look, and change nothing here.' : `You may look, and change nothing in ${namespace}: the role edit lets you.`}</span>

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** Loading shows grey bars once it takes longer than one notices, and a word when it takes long. */
export function Loading({ what, rows = 6 }: { what: string; rows?: number }) {
  const [stage, setStage] = useState(0)
  useEffect(() => {
    const timers = [setTimeout(() => setStage(1), 200), setTimeout(() => setStage(2), 5000)]
    return () => timers.forEach(clearTimeout)
  }, [])
  if (stage === 0) return <div className={s.loading} aria-busy="true" />
  return (
    <div className={s.loading} aria-busy="true">
      <span role="status" className={stage === 2 ? s.muted : 'visually-hidden'}>
        {stage === 2 ? `Reading ${what} takes longer than usual. weir may be busy.` : `Reading ${what}`}
      </span>
      {Array.from({ length: rows }, (_, i) => <div key={i} className={s.bone} data-width={i % 4} />)}
    </div>
  )
}
