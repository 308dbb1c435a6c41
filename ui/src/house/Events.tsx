import { useMemo } from 'react'
import type { Event } from '../api/kubernetes'
import { events } from '../live/resource'
import { useCollection } from '../live/useLive'
import { Loading, Notice, Problem } from './Notice'
import { Ago } from './Time'
import s from './house.module.css'

type SeenEvent = Event & { metadata: object }

const timeOf = (e: Event) => e.series?.lastObservedTime ?? e.lastTimestamp ?? e.eventTime ?? e.metadata.creationTimestamp ?? ''

/** Events are what happened to objects of a namespace that are meant, the newest first. */
export function Events({ namespace, isMeant }: { namespace: string; isMeant: (name: string) => boolean }) {
  const { items, phase, problem, retry } = useCollection<SeenEvent>(events, { namespace })
  const shown = useMemo(
    () => items.filter((e) => isMeant(e.involvedObject.name ?? '')).sort((a, b) => Date.parse(timeOf(b)) - Date.parse(timeOf(a))),
    [items, isMeant],
  )
  if (shown.length === 0 && phase === 'loading') return <Loading what="events" />
  if (shown.length === 0 && problem && phase === 'failed') return <Problem problem={problem} what="events" retry={retry} />
  if (shown.length === 0) return <Notice title="Nothing has happened lately">Events are kept for an hour. What happened before stands in the conditions, in the manifest.</Notice>
  return (
    <ol className={s.events}>
      {shown.map((e) => {
        const times = e.count ?? e.series?.count ?? 1
        return (
          <li key={e.metadata.uid} data-warning={e.type === 'Warning' || undefined}>
            <Ago at={timeOf(e)} />
            <div>
              <strong>{e.reason}</strong> <span className={s.muted}>{e.involvedObject.kind} {e.involvedObject.name}{times > 1 && `, ${times} times`}</span>
              <p>{e.message}</p>
            </div>
          </li>
        )
      })}
    </ol>
  )
}
