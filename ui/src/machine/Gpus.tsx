import { Link } from '@tanstack/react-router'
import type { Node, Pod } from '../api/kubernetes'
import { Loading, Problem } from '../house/Notice'
import { count, quantity } from '../house/say'
import { pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { podLink } from '../paths'
import { gpu, gpusOf } from './gpus'
import house from '../house/house.module.css'
import s from './machine.module.css'

/** Gpus tells how many GPUs nodes have for pods, and which pods have them. */
export function Gpus({ nodes }: { nodes: readonly Node[] }) {
  const all = useCollection<Pod & { metadata: object }>(pods)
  const there = nodes.reduce((n, node) => n + quantity(node.status?.allocatable?.[gpu]), 0)
  if (there === 0) return <p className={house.muted}>No node offers any to pods: a pod that asks for one waits.</p>
  if (all.problem && all.phase === 'failed') return <Problem problem={all.problem} what="who has GPUs" retry={all.retry} />
  if (all.phase === 'loading') return <Loading what="who has GPUs" rows={2} />
  const users = gpusOf(all.items)
  const free = there - users.reduce((n, u) => n + u.gpus, 0)
  return (
    <>
      <p>{`${count(Math.max(0, free), 'GPU')} of ${there} free`}</p>
      {users.length > 0 && (
        <ul className={s.pods}>
          {users.map((u) => <li key={`${u.namespace}/${u.name}`}><Link {...podLink(u.namespace, u.name)}>{u.name}</Link><span>{u.namespace}</span><span>{count(u.gpus, 'GPU')}</span></li>)}
        </ul>
      )}
    </>
  )
}
