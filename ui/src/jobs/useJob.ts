import { createContext, useContext, useMemo } from 'react'
import type { Event, Pod } from '../api/kubernetes'
import { useExplained } from '../live/explain'
import type { ApiError } from '../live/client'
import { apiVersionOf, events, pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { replicasOf, type Replica } from '../pods/read'
import type { JobKind } from './kinds'
import type { Job } from './read'

/** What the tabs of a job's page are given. */
export interface JobView {
  job: Job
  replicas: readonly Replica[]
  /** Whether the replicas are still being read, or why they cannot be. */
  reading: boolean
  unread?: { problem: ApiError; retry: () => void }
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

/** podsOf selects the pods of a job by their labels. */
export const podsOf = (kind: JobKind, name: string) => `${podLabel[kind.family]}=${name}`

/** useReplicas are the pods of a job. */
export function useReplicas(kind: JobKind, namespace: string, name: string): Pick<JobView, 'replicas' | 'reading' | 'unread'> {
  const { items, phase, problem, retry } = useCollection<Pod & { metadata: object }>(pods, { namespace, labels: podsOf(kind, name) })
  const replicas = useMemo(() => replicasOf(items, name), [items, name])
  return useMemo(() => ({ replicas, reading: phase === 'loading', ...(problem && phase === 'failed' && { unread: { problem, retry } }) }), [replicas, phase, problem, retry])
}

type SeenEvent = Event & { metadata: object }

/** useArrivals are what nodes have said of images and environments that are there for pods of a namespace. */
export const useArrivals = (namespace: string): readonly SeenEvent[] => useCollection<SeenEvent>(events, { namespace, fields: 'reason=Pulled' }).items

/** useExplanation asks why a job is as it is, anew whenever it or one of its pods changes. */
export function useExplanation(job: Job | undefined, replicas: readonly Replica[]) {
  const versions = [job?.object.metadata.resourceVersion, ...replicas.map((r) => r.pod.metadata?.resourceVersion)].join()
  return useExplained(
    { apiVersion: job ? apiVersionOf(job.kind) : '', kind: job?.kind.kind ?? '', namespace: job?.namespace ?? '', name: job?.name ?? '' },
    versions, job?.state === 'waiting' || job?.state === 'failed',
  )
}
