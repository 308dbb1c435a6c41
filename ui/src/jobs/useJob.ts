import { createContext, useContext, useMemo } from 'react'
import type { Pod } from '../api/kubernetes'
import { useExplained } from '../live/explain'
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

/** podsOf selects the pods of a job by their labels. */
export const podsOf = (kind: JobKind, name: string) => `${podLabel[kind.family]}=${name}`

/** useReplicas are the pods of a job. */
export function useReplicas(kind: JobKind, namespace: string, name: string): readonly Replica[] {
  const { items } = useCollection<Pod & { metadata: object }>(pods, { namespace, labels: podsOf(kind, name) })
  return useMemo(() => replicasOf(items, name), [items, name])
}

/** useExplanation asks why a job is as it is, anew whenever it or one of its pods changes. */
export function useExplanation(job: Job | undefined, replicas: readonly Replica[]) {
  const versions = [job?.object.metadata.resourceVersion, ...replicas.map((r) => r.pod.metadata?.resourceVersion)].join()
  return useExplained(
    { apiVersion: job ? apiVersionOf(job.kind) : '', kind: job?.kind.kind ?? '', namespace: job?.namespace ?? '', name: job?.name ?? '' },
    versions, job?.state === 'waiting' || job?.state === 'failed',
  )
}
