import type { Replica } from '../pods/read'
import { Bar, Card } from '../house/Page'
import { placed } from '../machine/gpus'
import { saidOf, shareNames, unitOf, usePodMetrics, usesOf } from '../machine/shares'
import house from '../house/house.module.css'
import machine from '../machine/machine.module.css'

/** Resources are what the replicas of a job that run ask for, and what they use of it. */
export function Resources({ namespace, replicas }: { namespace: string; replicas: readonly Replica[] }) {
  const measured = usePodMetrics(namespace)
  const pods = placed(replicas.map((r) => r.pod))
  if (pods.length === 0) return null
  return (
    <Card title="Resources">
      <ul className={machine.use}>
        {usesOf(pods, measured.data).filter((u) => u.what !== 'gpu' || u.asked > 0).map((u) => (
          <li key={u.what}>
            <strong>{shareNames[u.what]}</strong>
            <span>{u.used !== undefined && `${saidOf(u.what, u.used)}${unitOf(u.what)} used`}</span>
            {u.used !== undefined && u.asked > 0 && (
              <Bar value={u.used / u.asked} label={`${shareNames[u.what]} used of what is asked for`} state={u.used > u.asked ? 'waiting' : 'running'} />
            )}
            <small>{u.asked > 0 ? `${saidOf(u.what, u.asked)}${unitOf(u.what)} asked for` : 'the replicas ask for none, and take what is free'}</small>
          </li>
        ))}
      </ul>
      {measured.error && <p className={house.muted}>What they use cannot be read. {measured.error.message}</p>}
    </Card>
  )
}
