import { describe, expect, test } from 'vitest'
import { condition, makeJob } from './make'
import { isPart, sentenceOf } from './read'

describe('the state of a job', () => {
  const cases: Record<string, { why: string; kind: string; status: unknown; state: string; word?: string }> = {
    Fresh: { why: 'nobody has looked at it yet', kind: 'TFJob', status: {}, state: 'waiting' },
    Created: { why: 'its pods are to come', kind: 'TFJob', status: { conditions: [condition('Created')] }, state: 'waiting' },
    Running: { why: 'the last condition counts', kind: 'PyTorchJob', status: { conditions: [condition('Created'), condition('Running')] }, state: 'running' },
    Restarting: { why: 'it says what it waits for', kind: 'TFJob', status: { conditions: [condition('Restarting')] }, state: 'waiting', word: 'Restarting' },
    Succeeded: { why: 'a condition that is no longer so does not count', kind: 'MPIJob', status: { conditions: [condition('Succeeded'), { type: 'Running', status: 'False' }] }, state: 'done' },
    Failed: { why: 'failed is failed', kind: 'XGBoostJob', status: { conditions: [condition('Failed')] }, state: 'failed' },
    Suspended: { why: 'somebody stopped it', kind: 'JAXJob', status: { conditions: [condition('Suspended')] }, state: 'stopped' },
    TrainJob: { why: 'a TrainJob runs when one of its jobs does', kind: 'TrainJob', status: { jobsStatus: [{ name: 'node', active: 1 }] }, state: 'running' },
    TrainJobDone: { why: 'a TrainJob says Complete', kind: 'TrainJob', status: { conditions: [condition('Complete')] }, state: 'done' },
    JobSetDone: { why: 'a JobSet says Completed', kind: 'JobSet', status: { conditions: [condition('Completed')] }, state: 'done' },
    BatchUnready: { why: 'a Job whose pod is not ready yet waits', kind: 'Job', status: { active: 1, ready: 0 }, state: 'waiting' },
  }
  test.each(Object.entries(cases))('%s', (_, c) => {
    const job = makeJob(c.kind, { status: c.status })
    expect(job.state, c.why).toBe(c.state)
    expect(job.word, c.why).toBe(c.word)
  })
})

test('a sentence says how far a running job is', () => {
  const job = makeJob('TFJob', {
    spec: { tfReplicaSpecs: { Chief: {}, Worker: { replicas: 2 } } },
    status: {
      conditions: [condition('Running')],
      replicaStatuses: { Chief: { active: 1 }, Worker: { active: 2 } },
      progress: { epoch: 7, epochs: 12, percent: 55, remainingSeconds: 110, values: { accuracy: '0.91', loss: '0.41' } },
    },
  })
  expect(sentenceOf(job)).toBe('epoch 7 of 12, 3 of 3 replicas, about 2 min left')
})

test('a sentence says why a job failed, and what a finished one has reached', () => {
  expect(sentenceOf(makeJob('TFJob', { status: { conditions: [condition('Failed', { message: 'worker-0 ended with 137' })] } }))).toBe('worker-0 ended with 137')
  const done = makeJob('TFJob', { status: { conditions: [condition('Succeeded')], progress: { values: { accuracy: '0.9831', loss: '0.05' } } } })
  expect(sentenceOf(done)).toBe('loss 0.05, accuracy 0.9831')
})

test('what belongs to another job is part of it', () => {
  const owned = (kind: string) => ({ metadata: { ownerReferences: [{ apiVersion: 'v1', kind, name: 'x', uid: '1', controller: true }] } })
  expect(isPart(owned('TrainJob'))).toBe(true)
  expect(Boolean(isPart(owned('CronJob')))).toBe(false)
})
