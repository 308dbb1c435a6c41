import { useMemo } from 'react'
import type { Event } from '../api/kubernetes'
import { Loading, Notice } from '../house/Notice'
import { Ago } from '../house/Time'
import { events } from '../live/resource'
import { useCollection } from '../live/useLive'
import { useJobView } from './useJob'
import house from '../house/house.module.css'
import s from './jobs.module.css'

type SeenEvent = Event & { metadata: object }

const timeOf = (e: Event) => e.series?.lastObservedTime ?? e.lastTimestamp ?? e.eventTime ?? e.metadata.creationTimestamp ?? ''

/** EventsTab is what happened to a job and its pods, the newest first. */
export function EventsTab() {
  const { job, replicas } = useJobView()
  const { items, phase } = useCollection<SeenEvent>(events, { namespace: job.namespace })
  const shown = useMemo(() => {
    const names = new Set([job.name, ...replicas.map((r) => r.pod.metadata?.name)])
    return items
      .filter((e) => names.has(e.involvedObject.name) || e.involvedObject.name?.startsWith(`${job.name}-`))
      .sort((a, b) => Date.parse(timeOf(b)) - Date.parse(timeOf(a)))
  }, [items, job, replicas])
  if (shown.length === 0 && phase === 'loading') return <Loading what="events" />
  if (shown.length === 0) return <Notice title="Nothing has happened lately">Events are kept for an hour. What happened before stands in the job’s conditions, in its manifest.</Notice>
  return (
    <ol className={s.events}>
      {shown.map((e) => (
        <li key={e.metadata.uid} data-warning={e.type === 'Warning' || undefined}>
          <Ago at={timeOf(e)} />
          <div>
            <strong>{e.reason}</strong> <span className={house.muted}>{e.involvedObject.kind} {e.involvedObject.name}{(e.count ?? e.series?.count ?? 1) > 1 && `, ${e.count ?? e.series?.count} times`}</span>
            <p>{e.message}</p>
          </div>
        </li>
      ))}
    </ol>
  )
}
