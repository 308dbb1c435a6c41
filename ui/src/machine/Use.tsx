import type { Node, Pod } from '../api/kubernetes'
import { Loading, Problem } from '../house/Notice'
import { Bar } from '../house/Page'
import { nodes, pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { saidOf, shareNames, sharesOf, unitOf, useNodeMetrics } from './shares'
import { Space } from './Space'
import s from './machine.module.css'

/** Use shows what the machine has, what is asked of it and what is used. */
export function Use() {
  const known = useCollection<Node & { metadata: object }>(nodes)
  const all = useCollection<Pod & { metadata: object }>(pods)
  const measured = useNodeMetrics()
  if (known.problem && known.phase === 'failed') return <Problem problem={known.problem} what="the machine" retry={known.retry} />
  if (known.phase === 'loading') return <Loading what="the machine" rows={3} />
  const unknown = all.items.length === 0 && all.phase !== 'live'
  return (
    <ul className={s.use}>
      {sharesOf(known.items, all.items, measured.data).map((share) => {
        // Of GPUs nobody measures the use: whoever has one has all of it.
        const used = share.what === 'gpu' ? share.asked : share.used
        const part = (used ?? 0) / share.all
        return (
          <li key={share.what}>
            <strong>{shareNames[share.what]}</strong>
            <span>{used !== undefined && `${saidOf(share.what, used)} of `}{saidOf(share.what, share.all)}{unitOf(share.what)}</span>
            <Bar value={part} label={shareNames[share.what]} state={part > 0.9 ? 'waiting' : 'running'} />
            <small>
              {unknown ? 'what pods ask for is not known' : share.asked > 0 ? `${saidOf(share.what, share.asked)} asked for by pods` : 'pods ask for none'}
              {used === undefined && measured.error && ', what is used cannot be read'}
            </small>
          </li>
        )
      })}
      <Space />
    </ul>
  )
}
