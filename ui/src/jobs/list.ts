import type { Sort } from '../house/Table'
import type { State } from '../house/State'
import type { Job } from './read'

/** A View is how the list of jobs is looked at. It stands in the address. */
export interface View {
  q?: string
  state?: State
  kind?: string
  sort?: string
  group?: 'kind' | 'state' | 'namespace'
  /** The columns that are shown, if not all are. */
  columns?: string
}

const states: readonly string[] = ['running', 'waiting', 'done', 'failed', 'stopped']
const groups: readonly string[] = ['kind', 'state', 'namespace']

/** viewOf reads a view from an address, and leaves out what makes no sense. */
export function viewOf(search: Record<string, unknown>): View {
  const text = (name: string) => {
    const value = search[name]
    return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  }
  return {
    ...(text('q') && { q: text('q') }),
    ...(states.includes(text('state')) && { state: text('state') as State }),
    ...(text('kind') && { kind: text('kind') }),
    ...(/^[a-z]+(-down)?$/.test(text('sort')) && { sort: text('sort') }),
    ...(/^[a-z,]+$/.test(text('columns')) && { columns: text('columns') }),
    ...(groups.includes(text('group')) && { group: text('group') as NonNullable<View['group']> }),
  }
}

export function sortOf(view: View): Sort | undefined {
  if (!view.sort) return undefined
  return { column: view.sort.replace('-down', ''), down: view.sort.endsWith('-down') }
}

/** inView are the jobs that a view shows, without its order. */
export function inView(jobs: readonly Job[], view: View): readonly Job[] {
  const words = (view.q ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  return jobs.filter(
    (job) =>
      (!view.state || job.state === view.state) &&
      (!view.kind || job.kind.plural === view.kind) &&
      words.every((w) => `${job.name} ${job.namespace} ${job.kind.kind} ${job.message}`.toLowerCase().includes(w)),
  )
}

// What needs somebody comes first: what waits, what failed a short while ago, what runs.
const rank: Record<State, number> = { waiting: 0, failed: 1, running: 2, stopped: 3, done: 4 }
const recently = 24 * 3600_000

/** byNeed orders jobs by how much they need somebody, and then the newest first. */
export function byNeed(jobs: readonly Job[], now: number): readonly Job[] {
  const time = (t: string | undefined) => (t ? Date.parse(t) : 0)
  return jobs
    .map((job) => ({
      job,
      rank: job.state === 'failed' && now - time(job.ended ?? job.created) > recently ? rank.done : rank[job.state],
      at: time(job.created),
    }))
    .sort((a, b) => a.rank - b.rank || b.at - a.at)
    .map((x) => x.job)
}
