import type { Question } from '../house/Confirm'
import { call, patch } from '../live/client'
import { untilObject } from '../live/collection'
import { pathOf } from '../live/resource'
import { count } from '../house/say'
import { wordOf } from './kinds'
import { jobOf, type Job, type JobObject } from './read'

const path = (job: Job) => pathOf(job.kind, job.namespace, job.name)
const suspension = (job: Job, suspend: boolean) => ({ spec: job.kind.family === 'kubeflow' ? { runPolicy: { suspend } } : { suspend } })
const patchCommand = (job: Job, suspend: boolean) =>
  `weir kubectl patch ${wordOf(job.kind)}/${job.name} -n ${job.namespace} --type merge -p '${JSON.stringify(suspension(job, suspend))}'`

/** jobCan tells which actions make sense for a job as it is. */
export const jobCan = {
  stop: (job: Job) => !job.ended && !job.suspended,
  resume: (job: Job) => !job.ended && job.suspended,
  restart: (job: Job) => !job.ended && !job.suspended,
}

export const jobActions = {
  resume: (job: Job) => patch(path(job), suspension(job, false)),

  stop: (job: Job): Question => ({
    title: `Stop ${job.name}?`,
    text: `Its ${count(job.replicas.wanted, 'replica')} end, and what they have not saved is lost. The job stays, and can be resumed: it then starts again, from what it has saved.`,
    verb: 'Stop',
    command: patchCommand(job, true),
    act: () => patch(path(job), suspension(job, true)),
  }),

  restart: (job: Job): Question => ({
    title: `Restart ${job.name}?`,
    text: `Its ${count(job.replicas.wanted, 'replica')} end, and what they have not saved is lost. The job then starts again, from what it has saved. If this page is closed meanwhile the job stays stopped, and can be resumed.`,
    verb: 'Restart',
    command: `${patchCommand(job, true)} && ${patchCommand(job, false)}`,
    act: async () => {
      await patch(path(job), suspension(job, true))
      await untilObject<JobObject>(job.kind, job.namespace, job.name, (o) => jobOf(o, job.kind).state === 'stopped')
      await patch(path(job), suspension(job, false))
    },
  }),

  remove: (job: Job): Question => ({
    title: `Delete ${job.name}?`,
    text: `The ${job.kind.kind}, its pods and their events go, and cannot be had back. Files and models that it has saved stay.`,
    verb: 'Delete',
    command: `weir kubectl delete ${wordOf(job.kind)}/${job.name} -n ${job.namespace}`,
    act: () => call('DELETE', `${path(job)}?propagationPolicy=Background`),
  }),

  removeAll: (jobs: readonly Job[]): Question => ({
    title: `Delete ${count(jobs.length, 'job')}?`,
    text: `${jobs.slice(0, 5).map((j) => j.name).join(', ')}${jobs.length > 5 ? ` and ${jobs.length - 5} more` : ''}: they go with their pods, and cannot be had back. What they have saved stays.`,
    verb: 'Delete',
    act: async () => {
      for (const job of jobs) await call('DELETE', `${path(job)}?propagationPolicy=Background`)
    },
  }),
}
