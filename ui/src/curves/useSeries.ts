import { useQueries, useQuery } from '@tanstack/react-query'
import type { Job } from '../jobs/read'
import { call, type ApiError } from '../live/client'
import { linesOf, namesApart, type Answer, type Line } from './series'

// A job's status says that there is something new; that is when curves are read again.
const queryOf = (job: Job) => ({
  queryKey: ['series', job.key, job.object.metadata.resourceVersion],
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Line[]> => {
    const path = [job.namespace, job.kind.plural, job.name].map(encodeURIComponent).join('/')
    return linesOf(await call<Answer>('GET', `/weir/series/${path}`, undefined, { signal }))
  },
  enabled: job.kind.hasCourse && job.progress !== undefined, // before that there is nothing to read
  retry: false,
  staleTime: Infinity,
  gcTime: 5_000,
})

/** useSeries are the curves of a job, and goes on as it does. */
export const useSeries = (job: Job) => useQuery<Line[], ApiError>({ ...queryOf(job), placeholderData: (last) => last })

/** useCompared are the curves of several jobs, of each the replica that decides. */
export const useCompared = (jobs: readonly Job[]): readonly Line[] =>
  useQueries({
    queries: jobs.map(queryOf),
    combine: (results) => {
      const names = namesApart(jobs)
      return results.flatMap((r, i) => {
        const lead = jobs[i]?.progress?.replica ?? r.data?.[0]?.replica
        return (r.data ?? []).filter((l) => l.replica === lead).map((l) => ({ ...l, job: names[i] ?? '' }))
      })
    },
  })
