import { Link } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import type { Node } from '../api/kubernetes'
import { Loading, Problem } from '../house/Notice'
import { Card, Facts, Page } from '../house/Page'
import { bytes, quantity } from '../house/say'
import { StateMark } from '../house/State'
import { Span } from '../house/Time'
import { call, type ApiError } from '../live/client'
import { nodes } from '../live/resource'
import { useCollections } from '../live/useLive'
import { usedBy, usePodMetrics } from './shares'
import { useReach } from '../frame/session'
import { everywhere, podMetrics, useRights } from '../live/rights'
import { Gpus } from './Gpus'
import { Hour } from './Hour'
import { Use } from './Use'
import { podLink } from '../paths'
import house from '../house/house.module.css'
import s from './machine.module.css'

interface Machine {
  version: string
  kubernetes?: string
  started?: string
  missing?: string[]
  parts?: { name: string; healthy: boolean; message?: string }[]
}

const machines = [nodes] as const
const none = [] as const

/** MachinePage is what weir runs on, and how its parts are. */
export function MachinePage() {
  // What a part says of itself is asked for: it is no object that could be watched.
  const machine = useQuery<Machine, ApiError>({ queryKey: ['machine'], queryFn: ({ signal }) => call('GET', '/weir/machine', undefined, { signal }), refetchInterval: 10_000 })
  const may = useRights(everywhere)
  const maySee = may('list', nodes)
  const [known] = useCollections<Node & { metadata: object }>(maySee ? machines : none)
  return (
    <Page title="Machine" command="weir status">
      <div className={s.page}>
        <div className={s.column}>
          <Card title="Use">{maySee ? <Use /> : may.known && <p className={house.muted}>What nodes have and use is for the owners of this weir. What your pods use stands below.</p>}</Card>
          {maySee && <Card title="The last hour"><Hour nodes={known?.items ?? none} /></Card>}
          {maySee && known?.phase === 'live' && <Card title="GPUs"><Gpus nodes={known.items} /></Card>}
          <Card title="Pods by use"><Heaviest /></Card>
        </div>
        <div className={s.column}>
          <Card title="Parts">
            {machine.error ? <Problem problem={machine.error} what="the parts" retry={() => void machine.refetch()} /> : !machine.data ? <Loading what="the parts" rows={3} /> : (
              <ul className={s.parts}>
                {(machine.data.parts ?? []).map((p) => (
                  <li key={p.name}><StateMark state={p.healthy ? 'done' : 'failed'} word={p.healthy ? 'Healthy' : 'Not healthy'} /><span>{p.name}{p.message && <small>{p.message}</small>}</span></li>
                ))}
              </ul>
            )}
          </Card>
          {machine.data?.missing && machine.data.missing.length > 0 && (
            <Card title="What this machine lacks"><ul className={s.missing}>{machine.data.missing.map((m) => <li key={m}>{m}</li>)}</ul></Card>
          )}
          {machine.data && (
            <Card title="Versions">
              <Facts of={[
                ['weir', machine.data.version],
                ['Kubernetes', machine.data.kubernetes],
                ['Runs for', machine.data.started && <Span key="runs" from={machine.data.started} to={undefined} />],
              ]} />
            </Card>
          )}
          {known?.items.map((n) => (
            <Card key={n.metadata.name} title={`Node ${n.metadata.name}`}>
              <Facts of={[
                ['CPU', `${quantity(n.status?.capacity?.['cpu'])} cores`],
                ['Memory', bytes(quantity(n.status?.capacity?.['memory']))],
                ['GPUs', quantity(n.status?.capacity?.['nvidia.com/gpu']) || 'none'],
                ['Disk', bytes(quantity(n.status?.capacity?.['ephemeral-storage']))],
                ['System', n.status?.nodeInfo?.osImage],
                ['Kernel', n.status?.nodeInfo?.kernelVersion],
              ]} />
            </Card>
          ))}
        </div>
      </div>
    </Page>
  )
}

function Heaviest() {
  const reach = useReach()
  const may = useRights(reach)
  const { data, error, isPending, refetch } = usePodMetrics(reach)
  if (may.known && !may('list', podMetrics)) return <p className={house.muted}>What pods use is for those who may list pods of metrics.k8s.io.</p>
  if (error) return <Problem problem={error} what="what pods use" retry={() => void refetch()} />
  if (isPending) return <Loading what="what pods use" rows={3} />
  const rows = data
    .map((p) => ({ ...p.metadata, cpu: usedBy(p, 'cpu'), memory: usedBy(p, 'memory') }))
    .sort((a, b) => b.cpu - a.cpu || b.memory - a.memory)
    .slice(0, 10)
  if (rows.length === 0) return <p className={house.muted}>No pod runs.</p>
  return (
    <ul className={s.pods}>
      {rows.map((p) => (
        <li key={`${p.namespace}/${p.name}`}>
          <Link {...podLink(p.namespace ?? '', p.name)}>{p.name}</Link>
          <span>{p.cpu.toFixed(2)} cores</span>
          <span>{bytes(p.memory)}</span>
        </li>
      ))}
    </ul>
  )
}
