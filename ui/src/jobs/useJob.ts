import { useQuery } from '@tanstack/react-query'
import { createContext, useContext, useMemo } from 'react'
import type { Pod } from '../api/kubernetes'
import { call, type ApiError } from '../live/client'
import { apiVersionOf, pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { replicasOf, type Replica } from '../pods/read'
import type { JobKind } from './kinds'
import type { Job } from './read'

/** What the tabs of a job's page are given. */
export interface JobView {
  job: Job
  replicas: readonly Replica[]
  gone: boolean
}

export const JobContext = createContext<JobView | undefined>(undefined)

/** useJobView is the job whose page this is. */
export function useJobView(): JobView {
  const view = useContext(JobContext)
  if (!view) throw new Error('a tab of a job stands outside its page')
  return view
}

const podLabel: Record<JobKind['family'], string> = {
  kubeflow: 'training.kubeflow.org/job-name',
  trainjob: 'jobset.sigs.k8s.io/jobset-name',
  jobset: 'jobset.sigs.k8s.io/jobset-name',
  batch: 'batch.kubernetes.io/job-name',
}

/** useReplicas are the pods of a job. */
export function useReplicas(kind: JobKind, namespace: string, name: string): readonly Replica[] {
  const { items } = useCollection<Pod & { metadata: object }>(pods, { namespace, labels: `${podLabel[kind.family]}=${name}` })
  return useMemo(() => replicasOf(items, name), [items, name])
}

/** An Explanation is why something does not move, and what to do. */
export interface Explanation {
  state: string
  sentence: string
  remedy?: string
  facts?: string[]
}

/** useExplanation asks why a job is as it is, anew whenever it or one of its pods changes. */
export function useExplanation(job: Job | undefined, replicas: readonly Replica[]) {
  const asked = job && (job.state === 'waiting' || job.state === 'failed')
  const versions = [job?.object.metadata.resourceVersion, ...replicas.map((r) => r.pod.metadata?.resourceVersion)].join()
  return useQuery<Explanation, ApiError>({
    queryKey: ['explain', job?.key, versions],
    queryFn: ({ signal }) => {
      const query = new URLSearchParams({
        apiVersion: job ? apiVersionOf(job.kind) : '', kind: job?.kind.kind ?? '', namespace: job?.namespace ?? '', name: job?.name ?? '',
      })
      return call('GET', `/weir/explain?${query}`, undefined, { signal })
    },
    enabled: asked ?? false,
    retry: false,
    gcTime: 10_000,
    placeholderData: (last) => last,
  })
}
