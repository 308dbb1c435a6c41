import { useMemo } from 'react'
import { collection } from '../live/collection'
import { useCollections } from '../live/useLive'
import { jobKinds } from './kinds'
import { isPart, jobOf, type Job, type JobObject } from './read'

/**
 * useJobs is every job of every kind, in one namespace or, for '', in all. A
 * kind that this cluster does not have, or that one may not see, is left out;
 * if that is all of them, there is a problem.
 */
export function useJobs(namespace: string) {
  const all = useCollections<JobObject>(jobKinds, namespace)
  return useMemo(() => {
    const rows: Job[] = []
    jobKinds.forEach((kind, i) => {
      for (const o of all[i]?.items ?? []) if (!isPart(o)) rows.push(jobOf(o, kind))
    })
    const barred = all.filter((s) => s.phase === 'failed')
    return {
      rows,
      loading: all.some((s) => s.phase === 'loading'),
      problem: barred.length === all.length ? barred[0]?.problem : undefined,
      retry: () => jobKinds.forEach((kind) => collection(kind, namespace ? { namespace } : {}).retry()),
    }
  }, [all, namespace])
}
