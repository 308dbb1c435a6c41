import type { Node, Pod } from '../api/kubernetes'
import { Loading, Problem } from '../house/Notice'
import { Bar } from '../house/Page'
import { bytes } from '../house/say'
import { nodes, pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { sharesOf, useNodeMetrics, type Share } from './shares'
import { Space } from './Space'
import s from './machine.module.css'

const names: Record<Share['what'], string> = { cpu: 'CPU', memory: 'Memory', gpu: 'GPU' }
const said = (what: Share['what'], n: number) => (what === 'memory' ? bytes(n) : String(Math.round(n * 10) / 10))

/** Use shows what the machine has, what is asked of it and what is used. */
export function Use() {
  const known = useCollection<Node & { metadata: object }>(nodes)
  const all = useCollection<Pod & { metadata: object }>(pods)
  const measured = useNodeMetrics()
  if (known.problem && known.phase === 'failed') return <Problem problem={known.problem} what="the machine" retry={known.retry} />
  if (known.phase === 'loading') return <Loading what="the machine" rows={3} />
  return (
    <ul className={s.use}>
      {sharesOf(known.items, all.items, measured.data).map((share) => {
        const used = share.used ?? share.asked
        return (
          <li key={share.what}>
            <strong>{names[share.what]}</strong>
            <span>
              {said(share.what, used)} of {said(share.what, share.all)}{share.what === 'cpu' ? ' cores' : ''}
            </span>
            <Bar value={used / share.all} label={names[share.what]} state={used / share.all > 0.9 ? 'waiting' : 'running'} />
            <small>{share.asked > 0 ? `${said(share.what, share.asked)} asked for by pods` : 'pods ask for none'}</small>
          </li>
        )
      })}
      <Space />
    </ul>
  )
}
