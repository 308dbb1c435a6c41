import type { Event } from '../api/kubernetes'
import type { Line } from '../curves/series'
import { useNow } from '../house/now'
import { duration, moment } from '../house/say'
import type { Replica } from '../pods/read'
import s from './jobs.module.css'

interface Span {
  what: 'placing' | 'preparing' | 'building' | 'making' | 'starting' | 'training'
  from: number
  to: number
}

const names: Record<Span['what'], string> = {
  placing: 'Finding a place', preparing: 'Environment and container', building: 'Environment', making: 'Container', starting: 'Program starts', training: 'Trains',
}

/** builtOf is when the environment or the image of a replica's container was there, which the node says in an event. It is known as long as events are kept. */
export function builtOf(seen: readonly Event[], r: Pick<Replica, 'pod' | 'container'>): number | undefined {
  const times = seen
    .filter((e) => e.reason === 'Pulled' && e.involvedObject.uid === r.pod.metadata?.uid && e.involvedObject.fieldPath === `spec.containers{${r.container}}`)
    .map((e) => Date.parse(e.firstTimestamp ?? e.eventTime ?? ''))
    .filter(Number.isFinite)
  return times.length > 0 ? Math.min(...times) : undefined
}

/** spansOf is what a replica spent its time with. The first step is when it first said a number. */
export function spansOf(r: Pick<Replica, 'created' | 'scheduled' | 'started' | 'ended'>, built: number | undefined, firstStep: number | undefined, now: number): Span[] {
  // Events tell whole seconds.
  const there = built !== undefined && r.scheduled !== undefined ? Math.min(Math.max(built, r.scheduled), r.started ?? Infinity) : undefined
  type Mark = [Span['what'], number | undefined, number | undefined]
  const prepared: Mark[] = there === undefined ? [['preparing', r.scheduled, r.started]] : [['building', r.scheduled, there], ['making', there, r.started]]
  const marks: Mark[] = [
    ['placing', r.created, r.scheduled],
    ...prepared,
    ['starting', r.started, firstStep],
    ['training', firstStep, r.ended],
  ]
  const end = r.ended ?? now
  const spans: Span[] = []
  for (const [what, from, to] of marks) {
    if (from === undefined) break
    // A container that was started again has its first step before its start.
    if (what === 'training' && r.started !== undefined && from < r.started) continue
    const till = Math.min(to === undefined || to < from ? end : to, end)
    spans.push({ what, from, to: till })
    if (to === undefined) break
  }
  return spans
}

/** firstStepOf is when a replica first said a number, since its container was last started. */
export function firstStepOf(series: readonly Line[] | undefined, r: Pick<Replica, 'name' | 'started'>): number | undefined {
  const firsts = (series ?? []).filter((l) => l.replica === r.name).flatMap((l) => l.points.find((p) => p.time >= (r.started ?? 0))?.time ?? [])
  return firsts.length > 0 ? Math.min(...firsts) : undefined
}

/** TimeLine shows what each replica spent its time with, on one scale. */
export function TimeLine({ replicas, seen, series }: { replicas: readonly Replica[]; seen: readonly Event[]; series: readonly Line[] | undefined }) {
  const now = useNow(replicas.some((r) => r.ended === undefined) ? 1000 : 3_600_000)
  const shown = replicas.slice(0, 64).map((r, i) => ({
    r, i, spans: spansOf(r, builtOf(seen, r), firstStepOf(series, r), now),
  }))
  const told = new Set(shown.flatMap((x) => x.spans.map((p) => p.what)))
  const from = Math.min(...shown.flatMap((x) => x.spans.map((p) => p.from)))
  const all = Math.max(1000, Math.max(...shown.flatMap((x) => x.spans.map((p) => p.to))) - from)
  return (
    <div className={s.timeline}>
      <ul>
        {shown.map(({ r, i, spans }) => (
          <li key={r.pod.metadata?.uid}>
            <span>{r.name}</span>
            <div role="img" aria-label={`${r.name}: ${spans.map((p) => `${names[p.what]} ${duration(p.to - p.from)}`).join(', ')}`}>
              {spans.map((p) => (
                <i key={p.what} data-what={p.what} data-series={i % 8} title={`${names[p.what]}: ${duration(p.to - p.from)}, from ${moment(p.from)} to ${moment(p.to)}`}
                  style={{ left: `${((p.from - from) / all) * 100}%`, width: `${((p.to - p.from) / all) * 100}%` }} />
              ))}
            </div>
          </li>
        ))}
        <li aria-hidden="true" className={s.scale}>
          <span />
          <div>{[0, 0.25, 0.5, 0.75, 1].map((at) => <span key={at} style={{ left: `${at * 100}%` }}>{duration(at * all)}</span>)}</div>
        </li>
      </ul>
      <div className={s.legend} aria-hidden="true">
        {(Object.keys(names) as Span['what'][]).filter((what) => told.has(what)).map((what) => <span key={what}><i data-what={what} data-series={0} />{names[what]}</span>)}
      </div>
    </div>
  )
}
