import { useQuery } from '@tanstack/react-query'
import type { Node } from '../api/kubernetes'
import { Loading, Problem } from '../house/Notice'
import { bytes, duration, quantity } from '../house/say'
import { call, type ApiError } from '../live/client'
import { pathOf, spanOf, type Point } from './hour'
import house from '../house/house.module.css'
import s from './machine.module.css'

/** Hour shows what nodes used of their cores and memory over the last hour. */
export function Hour({ nodes }: { nodes: readonly Node[] }) {
  const hour = useQuery<Point[], ApiError>({
    queryKey: ['machine', 'hour'], queryFn: async ({ signal }) => (await call<{ items: Point[] }>('GET', '/weir/machine/hour', undefined, { signal })).items, refetchInterval: 60_000, retry: false,
  })
  if (hour.error?.status === 404) return <p className={house.muted}>The nodes of this cluster are not weir’s own, which keeps no record of them.</p>
  if (hour.error) return <Problem problem={hour.error} what="the last hour" retry={() => void hour.refetch()} />
  if (!hour.data) return <Loading what="the last hour" rows={2} />
  if (hour.data.length < 2) return <p className={house.muted}>weir has run for less than three minutes. What it sees each minute is shown here.</p>
  const all = (name: string) => nodes.reduce((n, node) => n + quantity(node.status?.capacity?.[name]), 0)
  return (
    <div className={s.hour}>
      <Line name="CPU" points={hour.data} of={(p) => p.cores} most={all('cpu')} say={(n) => `${n.toFixed(1)} cores`} />
      <Line name="Memory" points={hour.data} of={(p) => p.memory} most={all('memory')} say={bytes} />
      <small>{`The last ${duration(spanOf(hour.data))}, minute by minute`}</small>
    </div>
  )
}

function Line({ name, points, of, most, say }: { name: string; points: readonly Point[]; of: (p: Point) => number; most: number; say: (n: number) => string }) {
  const values = points.map(of)
  const now = values.at(-1) ?? 0
  const highest = Math.max(...values)
  const all = Math.max(most, highest, 1e-9)
  const said = `${say(now)} now, ${say(highest)} at most`
  return (
    <figure>
      <figcaption><strong>{name}</strong><span>{said}</span></figcaption>
      <svg viewBox="0 0 600 80" preserveAspectRatio="none" role="img" aria-label={`${name} over the last hour: ${said}, of ${say(all)}`}>
        <path d={pathOf(points, of, all, 600, 80)} />
      </svg>
    </figure>
  )
}
