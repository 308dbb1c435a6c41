import { useSearch } from '@tanstack/react-router'
import type { PersistentVolumeClaim } from '../api/kubernetes'
import { Loading, Problem } from '../house/Notice'
import { Card } from '../house/Page'
import { StateMark } from '../house/State'
import { claims } from '../live/resource'
import { useCollection } from '../live/useLive'
import house from '../house/house.module.css'
import s from './storage.module.css'

/** Claims are the volumes that pods share. */
export function Claims() {
  const { ns } = useSearch({ from: '__root__' })
  const { items, phase, problem, retry } = useCollection<PersistentVolumeClaim & { metadata: object }>(claims, ns ? { namespace: ns } : {})
  return (
    <Card title="Volumes">
      {problem && phase === 'failed' ? <Problem problem={problem} what="volumes" retry={retry} /> : items.length === 0 && phase === 'loading' ? <Loading what="volumes" rows={2} /> : items.length === 0 ? (
        <p className={house.muted}>There are none. A volume is a folder that pods share, which a PersistentVolumeClaim asks for.</p>
      ) : (
        <ul className={s.list}>
          {items.map((c) => (
            <li key={c.metadata.uid}>
              <StateMark state={c.status?.phase === 'Bound' ? 'done' : 'waiting'} word={c.status?.phase === 'Bound' ? 'There' : 'Waits for a pod'} />
              <span>{c.metadata.namespace} / {c.metadata.name}</span>
              <span className={house.muted}>{c.status?.capacity?.['storage'] ?? c.spec?.resources?.requests?.['storage']}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}
