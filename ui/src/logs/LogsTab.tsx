import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { Loading, Notice, Problem } from '../house/Notice'
import { moment } from '../house/say'
import { podsOf, useJobView } from '../jobs/useJob'
import { templateOf, type Job } from '../jobs/read'
import { nameOfReplica, trainerOf } from '../pods/read'
import { goneOf, keptPath, useKept, type KeptPod } from './kept'
import { LogView } from './LogView'
import type { Source } from './reader'
import { useSources } from './useSources'
import house from '../house/house.module.css'

const most = 64 // logs that are read at once; a job may have a thousand, which say the same

/** LogsTab is what the replicas of a job print, together or one, and what those printed that are gone. */
export function LogsTab() {
  const { job, replicas, reading, unread, gone: deleted } = useJobView()
  const from = '/jobs/$namespace/$plural/$name/logs'
  const { replica } = useSearch({ from })
  const navigate = useNavigate({ from })
  const there = replicas.map((r) => ({ name: r.pod.metadata?.name ?? '', uid: r.pod.metadata?.uid ?? '' }))
  const which = useMemo(() => ({ labelSelector: podsOf(job.kind, job.name) }), [job.kind, job.name])
  const kept = useKept(job.namespace, which, there.map((p) => p.uid).join(), true)
  const { now, before } = goneOf(kept ?? [], there, job.created === undefined ? undefined : Date.parse(job.created))

  const all: Source[] = [
    ...replicas.map((r): Source => ({
      namespace: job.namespace, pod: r.pod.metadata?.name ?? '', container: r.container, label: r.name, colour: 0, started: r.started !== undefined || r.restarts > 0,
      ended: r.ended !== undefined && (r.pod.status?.phase === 'Succeeded' || r.pod.status?.phase === 'Failed'),
    })),
    ...now.map((p) => ofGone(job, p)).sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true })),
  ]
  const sources = useSources([
    ...all.map((x, i) => ({ ...x, colour: i })).filter((x) => !replica || x.pod === replica).slice(0, most),
    ...before.filter((p) => p.uid === replica).map((p) => ({ ...ofGone(job, p), uid: p.uid })),
  ])

  if (all.length === 0 && unread) return <Problem {...unread} what="its pods" />
  if (all.length === 0 && (reading || kept === undefined)) return <Loading what="logs" />
  if (all.length === 0)
    return (
      <Notice title={job.ended || deleted ? 'The pods have gone, and their logs with them' : 'There are no pods yet'}>
        {job.ended || deleted ? 'Logs of pods that are gone are kept for some days, as long as there is room.' : 'Logs begin when the first replica starts.'}
      </Notice>
    )
  const choice = all.length + before.length > 1 && (
    <select className={house.input} aria-label="Replica" value={replica ?? ''} onChange={(e) => void navigate({ search: { replica: e.target.value || undefined }, replace: true })}>
      <option value="">{all.length > most ? `The first ${most} of ${all.length} replicas` : `All ${all.length} replicas`}</option>
      {all.map((x) => <option key={x.pod} value={x.pod}>{x.label}</option>)}
      {before.slice(0, most).map((p) => <option key={p.uid} value={p.uid}>{nameOf(job, p)}, from {moment(Date.parse(p.created))}</option>)}
    </select>
  )
  return <LogView key={replica ?? 'all'} name={job.name} sources={sources} choice={choice} />
}

/** ofGone is the log of a pod that is gone: what its container that trains printed last. */
function ofGone(job: Job, p: KeptPod): Source {
  const named = templateOf(job.object, job.kind)?.spec?.containers.map((c) => c.name) ?? []
  const names = p.containers.map((c) => c.name)
  const container = trainerOf([...named.filter((n) => names.includes(n)), ...names])
  return {
    namespace: job.namespace, pod: p.name, container, label: nameOf(job, p), colour: 0, started: true, ended: true,
    kept: keptPath(job.namespace, p, container, p.containers.find((c) => c.name === container)?.attempts.at(-1) ?? 0),
  }
}

const nameOf = (job: Job, p: KeptPod) => nameOfReplica(p.name, job.name, job.kind.family !== 'kubeflow')
