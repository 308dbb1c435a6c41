import type { Job as BatchJob, PodTemplateSpec } from '../api/kubernetes'
import type { JobSet, TFJob, TrainJob } from '../api/platform'
import { about, count, figure } from '../house/say'
import type { State } from '../house/State'
import { keyOf, type KubeObject } from '../live/resource'
import { kindNamed, type JobKind } from './kinds'

/** The jobs of Kubeflow's training differ in the name of one field; TFJob stands for all. */
export type KubeflowJob = TFJob
export type JobObject = KubeObject & { spec?: unknown; status?: unknown }

type Conditions = readonly { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[]

export interface Replicas {
  wanted: number
  active: number
  done: number
  failed: number
}

export interface Progress {
  /** From 0 to 1, where that can be told. */
  done?: number
  /** epoch 7 of 12 */
  text: string
  /** Milliseconds that the rest will take. */
  left?: number
  values: Readonly<Record<string, number>>
  replica?: string
}

/** A Job is what the pages say of a training job, whatever its kind. */
export interface Job {
  readonly object: JobObject
  readonly kind: JobKind
  readonly key: string
  readonly name: string
  readonly namespace: string
  readonly state: State
  /** A closer word than the state's: Restarting. */
  readonly word?: string
  readonly reason: string
  readonly message: string
  readonly replicas: Replicas
  readonly progress?: Progress
  readonly created?: string
  readonly started?: string
  readonly ended?: string
  readonly suspended: boolean
}

const read = new WeakMap<object, Job>()

/** jobOf reads a job of any kind. An object is read once: a change makes another. */
export function jobOf(object: JobObject, kind: JobKind): Job {
  let job = read.get(object)
  if (!job) {
    job = { ...identity(object, kind), ...families[kind.family](object, kind) }
    read.set(object, job)
  }
  return job
}

/** placeOf is a job as addresses name it: namespace/plural/name. */
export const placeOf = (job: Pick<Job, 'namespace' | 'kind' | 'name'>) => `${job.namespace}/${job.kind.plural}/${job.name}`

/** isPart tells whether a job belongs to another one, which is listed in its place. */
export const isPart = (o: KubeObject) => (o.metadata.ownerReferences ?? []).some((r) => r.controller && kindNamed(r.kind))

type Fare = Omit<Job, 'object' | 'kind' | 'key' | 'name' | 'namespace' | 'created'>

const identity = (object: JobObject, kind: JobKind) => ({
  object,
  kind,
  key: `${kind.plural}/${keyOf(object)}`,
  name: object.metadata.name ?? '',
  namespace: object.metadata.namespace ?? '',
  ...(object.metadata.creationTimestamp && { created: object.metadata.creationTimestamp }),
})

const families: Record<JobKind['family'], (o: JobObject, kind: JobKind) => Fare> = {
  kubeflow(o, kind) {
    const { spec, status } = o as KubeflowJob
    const conditions = status?.conditions ?? []
    const last = conditions.findLast((c) => c.status === 'True')
    const progress = courseOf(status?.progress)
    const replicas = { wanted: 0, active: 0, done: 0, failed: 0 }
    for (const r of Object.values(replicaSpecs(o, kind))) replicas.wanted += r.replicas ?? 1
    for (const r of Object.values(status?.replicaStatuses ?? {})) {
      replicas.active += r.active ?? 0
      replicas.done += r.succeeded ?? 0
      replicas.failed += r.failed ?? 0
    }
    const states: Record<string, State> = { Succeeded: 'done', Failed: 'failed', Running: 'running', Suspended: 'stopped' }
    return {
      state: states[last?.type ?? ''] ?? 'waiting',
      ...(last?.type === 'Restarting' && { word: 'Restarting' }),
      ...said(last),
      replicas,
      ...(progress && { progress }),
      ...(status?.startTime && { started: status.startTime }),
      ...(status?.completionTime ? { ended: status.completionTime } : endOf(conditions, 'Failed')),
      suspended: spec?.runPolicy?.suspend ?? false,
    }
  },
  trainjob(o) {
    const { spec, status } = o as TrainJob
    const conditions = status?.conditions ?? []
    const jobs = status?.jobsStatus ?? []
    const active = jobs.reduce((n, j) => n + (j.active ?? 0), 0)
    const verdict = verdictOf(conditions, { Complete: 'done', Failed: 'failed', Suspended: 'stopped' })
    const stuck = conditions.find((c) => c.type === 'ResourcesCreated' && c.status === 'False')
    const progress = reportOf(status?.trainerStatus)
    return {
      state: verdict?.state ?? (active > 0 ? 'running' : 'waiting'),
      ...said(verdict?.condition ?? stuck),
      replicas: {
        wanted: spec?.trainer?.numNodes ?? jobs.length,
        active,
        done: jobs.reduce((n, j) => n + (j.succeeded ?? 0), 0),
        failed: jobs.reduce((n, j) => n + (j.failed ?? 0), 0),
      },
      ...(progress && { progress }),
      ...(o.metadata.creationTimestamp && { started: o.metadata.creationTimestamp }),
      ...endOf(conditions, 'Complete', 'Failed'),
      suspended: spec?.suspend ?? false,
    }
  },
  jobset(o) {
    const { spec, status } = o as JobSet
    const conditions = status?.conditions ?? []
    const parts = status?.replicatedJobsStatus ?? []
    const active = parts.reduce((n, p) => n + p.active, 0)
    const verdict = verdictOf(conditions, { Completed: 'done', Failed: 'failed', Suspended: 'stopped' })
    return {
      state: verdict?.state ?? (active > 0 ? 'running' : 'waiting'),
      ...said(verdict?.condition),
      replicas: {
        wanted: (spec?.replicatedJobs ?? []).reduce((n, j) => n + (j.replicas ?? 1), 0),
        active,
        done: parts.reduce((n, p) => n + p.succeeded, 0),
        failed: parts.reduce((n, p) => n + p.failed, 0),
      },
      ...(o.metadata.creationTimestamp && { started: o.metadata.creationTimestamp }),
      ...endOf(conditions, 'Completed', 'Failed'),
      suspended: spec?.suspend ?? false,
    }
  },
  batch(o) {
    const { spec, status } = o as BatchJob
    const conditions = status?.conditions ?? []
    const verdict = verdictOf(conditions, { Complete: 'done', Failed: 'failed', Suspended: 'stopped' })
    return {
      state: verdict?.state ?? ((status?.ready ?? 0) > 0 ? 'running' : 'waiting'),
      ...said(verdict?.condition),
      replicas: {
        wanted: spec?.completions ?? spec?.parallelism ?? 1,
        active: status?.ready ?? 0,
        done: status?.succeeded ?? 0,
        failed: status?.failed ?? 0,
      },
      ...(status?.startTime && { started: status.startTime }),
      ...(status?.completionTime ? { ended: status.completionTime } : endOf(conditions, 'Failed')),
      suspended: spec?.suspend ?? false,
    }
  },
}

interface ReplicaSpec {
  replicas?: number
  restartPolicy?: string
  template?: PodTemplateSpec
}

/** replicaSpecs are a Kubeflow job's replicas by type: Chief, Worker. */
export function replicaSpecs(o: JobObject, kind: JobKind): Record<string, ReplicaSpec> {
  const spec = o.spec as Record<string, Record<string, ReplicaSpec> | undefined> | undefined
  return (kind.replicas ? spec?.[kind.replicas] : undefined) ?? {}
}

/** templateOf is what the pods of a job are made from: the first that is found. */
export function templateOf(o: JobObject, kind: JobKind): PodTemplateSpec | undefined {
  if (kind.family === 'kubeflow') return Object.values(replicaSpecs(o, kind))[0]?.template
  if (kind.family === 'batch') return (o as BatchJob).spec?.template
  if (kind.family === 'jobset') return (o as JobSet).spec?.replicatedJobs?.[0]?.template.spec?.template
  return undefined
}

const said = (c: Conditions[number] | undefined) => ({ reason: c?.reason ?? '', message: c?.message ?? '' })

function verdictOf(conditions: Conditions, states: Record<string, State>) {
  for (const [type, state] of Object.entries(states)) {
    const condition = conditions.find((c) => c.type === type && c.status === 'True')
    if (condition) return { state, condition }
  }
  return undefined
}

function endOf(conditions: Conditions, ...types: string[]): { ended?: string } {
  const end = conditions.find((c) => types.includes(c.type) && c.status === 'True')
  return end?.lastTransitionTime ? { ended: end.lastTransitionTime } : {}
}

function courseOf(p: NonNullable<KubeflowJob['status']>['progress']): Progress | undefined {
  if (!p) return undefined
  const of = (n: number | undefined, all: number | undefined, what: string) => (n === undefined ? '' : `${what} ${n}${all ? ` of ${all}` : ''}`)
  return {
    text: of(p.epoch, p.epochs, 'epoch') || of(p.step, p.steps, 'step'),
    values: Object.fromEntries(Object.entries(p.values ?? {}).map(([name, value]) => [name, Number(value)])),
    ...(p.percent !== undefined && { done: p.percent / 100 }),
    ...(p.remainingSeconds !== undefined && { left: p.remainingSeconds * 1000 }),
    ...(p.replica && { replica: p.replica }),
  }
}

function reportOf(r: NonNullable<TrainJob['status']>['trainerStatus']): Progress | undefined {
  if (!r) return undefined
  const done = r.progressPercentage
  return {
    text: done === undefined ? '' : `${done} %`,
    values: Object.fromEntries((r.metrics ?? []).map((m) => [m.name, Number(m.value)])),
    ...(done !== undefined && { done: done / 100 }),
    ...(r.estimatedRemainingSeconds !== undefined && { left: r.estimatedRemainingSeconds * 1000 }),
  }
}

/** sentenceOf says how a job fares, where nobody has explained it better. */
export function sentenceOf(job: Job): string {
  const { replicas, progress } = job
  if (job.state === 'running')
    return [
      progress?.text,
      replicas.wanted > 0 && `${replicas.active} of ${count(replicas.wanted, 'replica')}`,
      progress?.left !== undefined && progress.left > 0 && `${about(progress.left)} left`,
    ].filter(Boolean).join(', ')
  if (job.state === 'done') return progress ? lastValues(progress, 3) : ''
  return job.message
}

/** valuesOf are a job's last numbers, those that say most first: loss and accuracy. */
export function valuesOf(p: Progress): [string, number][] {
  const weight = (name: string) => (/^loss$/i.test(name) ? 0 : /acc/i.test(name) ? 1 : /loss/i.test(name) ? 2 : 3)
  return Object.entries(p.values).sort(([a], [b]) => weight(a) - weight(b) || a.localeCompare(b))
}

export const lastValues = (p: Progress, most: number): string =>
  valuesOf(p)
    .slice(0, most)
    .map(([name, value]) => `${name} ${figure(value)}`)
    .join(', ')
