import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { Notice } from '../house/Notice'
import { useJobView } from '../jobs/useJob'
import { LogView } from './LogView'
import type { Source } from './reader'
import house from '../house/house.module.css'

const most = 64 // logs that are read at once; a job may have a thousand, which say the same

/** LogsTab is what the replicas of a job print, together or one. */
export function LogsTab() {
  const { job, replicas } = useJobView()
  const from = '/jobs/$namespace/$plural/$name/logs'
  const { replica } = useSearch({ from })
  const navigate = useNavigate({ from })

  // Each source by its facts, so that the list changes when one of these does, and not with every heartbeat of a pod.
  const facts = JSON.stringify(
    replicas.map((r, i) => ({ r, i })).filter(({ r }) => !replica || r.pod.metadata?.name === replica).slice(0, most).map(({ r, i }): Source => ({
      namespace: job.namespace, pod: r.pod.metadata?.name ?? '', container: r.container, label: r.name, colour: i, started: r.started !== undefined || r.restarts > 0,
      ended: r.ended !== undefined && (r.pod.status?.phase === 'Succeeded' || r.pod.status?.phase === 'Failed'),
    })),
  )
  const sources = useMemo(() => JSON.parse(facts) as Source[], [facts])

  if (replicas.length === 0)
    return (
      <Notice title={job.ended ? 'The pods have gone, and their logs with them' : 'There are no pods yet'}>
        {job.ended ? <>Logs of pods that are gone stay in weir’s folder for a while: <code>weir logs</code> finds them.</> : 'Logs begin when the first replica starts.'}
      </Notice>
    )
  const choice = replicas.length > 1 && (
    <select className={house.input} aria-label="Replica" value={replica ?? ''} onChange={(e) => void navigate({ search: { replica: e.target.value || undefined }, replace: true })}>
      <option value="">{replicas.length > most ? `The first ${most} of ${replicas.length} replicas` : `All ${replicas.length} replicas`}</option>
      {replicas.map((r) => <option key={r.pod.metadata?.uid} value={r.pod.metadata?.name}>{r.name}</option>)}
    </select>
  )
  return <LogView key={replica ?? 'all'} name={job.name} sources={sources} choice={choice} />
}
