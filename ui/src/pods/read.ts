import type { ContainerStatus, Pod } from '../api/kubernetes'
import type { State } from '../house/State'

/** A Replica is a pod as one of those of its job. */
export interface Replica {
  pod: Pod
  /** worker-0 */
  name: string
  /** The container that trains. */
  container: string
  state: State
  word: string
  /** Why it waits or has failed, as the node or the scheduler says. */
  message: string
  restarts: number
  created: number
  scheduled?: number
  started?: number
  ended?: number
}

const time = (t: string | undefined) => (t ? Date.parse(t) : undefined)

// Those that containers which train are called by convention; as weir's own reading of logs has them.
const trainers = new Set(['tensorflow', 'pytorch', 'xgboost', 'paddle', 'jax', 'mxnet', 'mpi', 'node', 'launcher', 'trainer'])

/** mainContainer is the container of a pod that people mean when they name none. */
export function mainContainer(pod: Pod): string {
  return pod.metadata?.annotations?.['kubectl.kubernetes.io/default-container'] ?? trainerOf((pod.spec?.containers ?? []).map((c) => c.name))
}

/** trainerOf is the container that trains, of those with these names: the first if none is called so. */
export const trainerOf = (names: readonly string[]) => names.find((name) => trainers.has(name)) ?? names[0] ?? ''

/** replicaName is what a pod is called among those of its job. */
export const replicaName = (pod: Pod, job: string): string =>
  nameOfReplica(pod.metadata?.name ?? '', job, Boolean(pod.metadata?.generateName))

/** nameOfReplica is the same by a pod's name, which may end in letters that were made up for it. */
export function nameOfReplica(pod: string, job: string, generated: boolean): string {
  const name = generated ? pod.replace(/-[^-]*$/, '') : pod
  return name.startsWith(`${job}-`) ? name.slice(job.length + 1) : name
}

/** replicaOf reads a pod. */
export function replicaOf(pod: Pod, job: string): Replica {
  const container = mainContainer(pod)
  const status = pod.status?.containerStatuses?.find((s) => s.name === container)
  const scheduled = pod.status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'True')
  const at = { scheduled: time(scheduled?.lastTransitionTime), ...timesOf(status) }
  return {
    pod,
    name: replicaName(pod, job),
    container,
    ...stateOf(pod, status),
    restarts: (pod.status?.containerStatuses ?? []).reduce((n, c) => n + c.restartCount, 0),
    created: time(pod.metadata?.creationTimestamp) ?? 0,
    ...(at.scheduled !== undefined && { scheduled: at.scheduled }),
    ...(at.started !== undefined && { started: at.started }),
    ...(at.ended !== undefined && { ended: at.ended }),
  }
}

function timesOf(status: ContainerStatus | undefined) {
  const { running, terminated } = status?.state ?? {}
  return { started: time(running?.startedAt ?? terminated?.startedAt ?? undefined), ended: time(terminated?.finishedAt) }
}

function stateOf(pod: Pod, main: ContainerStatus | undefined): Pick<Replica, 'state' | 'word' | 'message'> {
  const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  const phase = pod.status?.phase
  const ended = main?.state?.terminated
  if (phase === 'Succeeded') return { state: 'done', word: 'Done', message: '' }
  if (phase === 'Failed') return { state: 'failed', word: 'Failed', message: pod.status?.message ?? endedWith(ended) }
  if (pod.metadata?.deletionTimestamp) return { state: 'stopped', word: 'Ending', message: '' }
  const held = all.find((c) => c.state?.waiting && !['ContainerCreating', 'PodInitializing'].includes(c.state.waiting.reason ?? ''))?.state?.waiting
  if (held) return { state: 'waiting', word: held.reason ?? 'Waiting', message: held.message ?? '' }
  if (phase === 'Running') {
    if (ended) return ended.exitCode === 0 ? { state: 'done', word: 'Done', message: '' } : { state: 'failed', word: 'Failed', message: endedWith(ended) }
    return { state: 'running', word: 'Running', message: '' }
  }
  const unplaced = pod.status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'False')
  if (unplaced) return { state: 'waiting', word: 'No place yet', message: unplaced.message ?? '' }
  return { state: 'waiting', word: 'Preparing', message: '' }
}

const endedWith = (t: { exitCode: number; reason?: string; signal?: number } | undefined) =>
  t ? `ended with ${t.exitCode}${t.reason && t.reason !== 'Error' ? ` (${t.reason})` : ''}` : ''

const order = ['launcher', 'chief', 'master', 'scheduler', 'ps', 'server', 'worker', 'node', 'evaluator']

/** replicasOf are the pods of a job in the order that people name them: who decides first. */
export function replicasOf(pods: readonly Pod[], job: string): Replica[] {
  const rank = (name: string) => {
    const i = order.findIndex((o) => name.startsWith(o))
    return i < 0 ? order.length : i
  }
  return pods
    .map((p) => replicaOf(p, job))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name, 'en', { numeric: true }) || a.created - b.created)
}
