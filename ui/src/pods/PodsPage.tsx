import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import type { Pod } from '../api/kubernetes'
import { Choices } from '../house/Button'
import { Search } from '../house/Field'
import { Loading, Notice, Problem } from '../house/Notice'
import { Page } from '../house/Page'
import { bytes, figure } from '../house/say'
import { StateMark, type State, words } from '../house/State'
import { sortRows, Table, type Column } from '../house/Table'
import { Ago } from '../house/Time'
import { sortOf, type View } from '../jobs/list'
import { pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { usedBy, usePodMetrics } from '../machine/shares'
import { podLink } from '../paths'
import { replicaOf, type Replica } from './read'
import house from '../house/house.module.css'

interface Row extends Replica {
  namespace: string
  /** What it uses, if that has been measured. */
  cpu?: number
  memory?: number
}

const columns: readonly Column<Row>[] = [
  { id: 'state', title: 'State', width: '150px', by: (r) => r.state, cell: (r) => <StateMark state={r.state} word={r.word} /> },
  { id: 'name', title: 'Name', width: 'minmax(140px, 3fr)', by: (r) => r.name, cell: (r) => <Link {...podLink(r.namespace, r.name)} title={r.name}>{r.name}</Link> },
  { id: 'namespace', title: 'Namespace', width: 'minmax(90px, 1fr)', by: (r) => r.namespace, cell: (r) => r.namespace, wide: true },
  { id: 'owner', title: 'Belongs to', width: 'minmax(120px, 2fr)', by: ownerOf, cell: ownerOf, wide: true },
  { id: 'cpu', title: 'CPU', width: '80px', end: true, by: (r) => r.cpu ?? -1, cell: (r) => (r.state === 'running' && r.cpu !== undefined ? figure(Math.round(r.cpu * 100) / 100) : ''), wide: true },
  { id: 'memory', title: 'Memory', width: '92px', end: true, by: (r) => r.memory ?? -1, cell: (r) => (r.state === 'running' && r.memory !== undefined ? bytes(r.memory) : ''), wide: true },
  { id: 'restarts', title: 'Restarts', width: '84px', end: true, by: (r) => r.restarts, cell: (r) => r.restarts, wide: true },
  { id: 'created', title: 'Made', width: '100px', end: true, by: (r) => -r.created, cell: (r) => <Ago at={r.created} />, wide: true },
]

function ownerOf(r: Row): string {
  const owner = r.pod.metadata?.ownerReferences?.[0]
  return owner ? `${owner.kind} ${owner.name}` : ''
}

const urgency: Record<State, number> = { waiting: 0, failed: 1, running: 2, stopped: 3, done: 4 }

/** PodsPage lists all pods: what runs for jobs, and whatever else does. */
export function PodsPage() {
  const view = useSearch({ from: '/pods' })
  const navigate = useNavigate({ from: '/pods' })
  const set = (change: Partial<View>) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true })
  const { items, phase, problem, retry } = useCollection<Pod & { metadata: object }>(pods, view.ns ? { namespace: view.ns } : {})
  const measured = usePodMetrics(view.ns ?? '')
  const rows = useMemo(() => {
    const usage = new Map((measured.data ?? []).map((m) => [`${m.metadata.namespace}/${m.metadata.name}`, m]))
    return items.map((p): Row => {
      const namespace = p.metadata.namespace ?? ''
      const used = usage.get(`${namespace}/${p.metadata.name}`)
      return { ...replicaOf(p, ''), name: p.metadata.name ?? '', namespace, ...(used && { cpu: usedBy(used, 'cpu'), memory: usedBy(used, 'memory') }) }
    })
  }, [items, measured.data])
  const shown = useMemo(() => {
    const wanted = (view.q ?? '').toLowerCase()
    const found = rows.filter((r) => (!view.state || r.state === view.state) && `${r.name} ${r.namespace} ${ownerOf(r)}`.toLowerCase().includes(wanted))
    const sort = sortOf(view)
    return sort ? sortRows(found, columns, sort) : found.sort((a, b) => urgency[a.state] - urgency[b.state] || b.created - a.created)
  }, [rows, view])
  const states = (Object.keys(words) as State[]).filter((state) => rows.some((r) => r.state === state))

  return (
    <Page title="Pods" fill command={`weir kubectl get pods ${view.ns ? `-n ${view.ns}` : '-A'}`}>
      <div className={house.row}>
        <Search label="Search pods" value={view.q ?? ''} onChange={(e) => set({ q: e.target.value || undefined })} />
        <Choices label="State" value={view.state ?? 'all'} onChange={(state) => set({ state: state === 'all' ? undefined : state })}
          options={[{ value: 'all' as State | 'all', label: `All ${rows.length.toLocaleString('en')}` }, ...states.map((state) => ({ value: state, label: <>{words[state]} {rows.filter((r) => r.state === state).length}</> }))]} />
      </div>
      {problem && phase === 'failed' ? <Problem problem={problem} what="pods" retry={retry} />
        : rows.length === 0 && phase === 'loading' ? <Loading what="pods" rows={8} />
        : rows.length === 0 ? <Notice icon="pods" title="No pods">A pod is where a program runs: each replica of a job has one. They appear when a job starts.</Notice>
        : shown.length === 0 ? <Notice title="No pod is like that">None of the {rows.length} pods matches what you search for.</Notice>
        : <Table label="Pods" columns={columns} rows={shown} keyOf={(r) => `${r.namespace}/${r.name}`} sort={sortOf(view)}
            onSort={(sort) => set({ sort: sort.column + (sort.down ? '-down' : '') })} onOpen={(r) => void navigate(podLink(r.namespace, r.name))} />}
    </Page>
  )
}
