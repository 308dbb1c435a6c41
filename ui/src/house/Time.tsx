import { useNow } from './now'
import { duration, moment } from './say'

type Moment = string | number | Date

/** Ago says how long ago something was, and on hover when. */
export function Ago({ at, suffix = ' ago' }: { at: Moment | undefined; suffix?: string }) {
  const now = useNow()
  if (at === undefined) return <span>–</span>
  const time = new Date(at)
  const past = now - time.getTime()
  return (
    <time dateTime={time.toISOString()} title={moment(time)}>
      {past < 1500 ? 'now' : duration(past - (past % (past < 60_000 ? 1000 : past < 3_600_000 ? 60_000 : past < 24 * 3_600_000 ? 3_600_000 : 24 * 3_600_000))) + suffix}
    </time>
  )
}

/** Span says how long something took, or has taken so far. */
export function Span({ from, to }: { from: Moment | undefined; to: Moment | undefined }) {
  const now = useNow()
  if (from === undefined) return <span>–</span>
  const start = new Date(from)
  const end = to === undefined ? now : new Date(to).getTime()
  return <time title={`${moment(start)} – ${to === undefined ? 'now' : moment(to)}`}>{duration(end - start.getTime())}</time>
}
