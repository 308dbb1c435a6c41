import { expect, test } from 'vitest'
import { builtOf, firstStepOf, spansOf } from './TimeLine'

const now = 1000
const cases: Record<string, { why: string; replica: Parameters<typeof spansOf>[0]; built?: number; first?: number; want: [string, number, number][] }> = {
  Waits: { why: 'it has no place yet', replica: { created: 0 }, want: [['placing', 0, 1000]] },
  Prepares: { why: 'its environment is being built', replica: { created: 0, scheduled: 10 }, want: [['placing', 0, 10], ['preparing', 10, 1000]] },
  Starts: { why: 'it has said nothing yet', replica: { created: 0, scheduled: 10, started: 50 }, want: [['placing', 0, 10], ['preparing', 10, 50], ['starting', 50, 1000]] },
  Trains: {
    why: 'from its first number on it trains', replica: { created: 0, scheduled: 10, started: 50, ended: 400 }, first: 100,
    want: [['placing', 0, 10], ['preparing', 10, 50], ['starting', 50, 100], ['training', 100, 400]],
  },
  Built: {
    why: 'the node has said when the environment was there', replica: { created: 0, scheduled: 10, started: 50, ended: 400 }, built: 40, first: 100,
    want: [['placing', 0, 10], ['building', 10, 40], ['making', 40, 50], ['starting', 50, 100], ['training', 100, 400]],
  },
  Making: { why: 'its container is being made', replica: { created: 0, scheduled: 10 }, built: 40, want: [['placing', 0, 10], ['building', 10, 40], ['making', 40, 1000]] },
  Rounded: {
    why: 'events tell whole seconds, here one before the start', replica: { created: 0, scheduled: 10, started: 50, ended: 400 }, built: 0, first: 100,
    want: [['placing', 0, 10], ['building', 10, 10], ['making', 10, 50], ['starting', 50, 100], ['training', 100, 400]],
  },
  Mute: { why: 'what says no numbers ends all the same', replica: { created: 0, scheduled: 10, started: 50, ended: 400 }, want: [['placing', 0, 10], ['preparing', 10, 50], ['starting', 50, 400]] },
  Again: {
    why: 'a container that was started again has said its first number before', replica: { created: 0, scheduled: 10, started: 500 }, first: 100,
    want: [['placing', 0, 10], ['preparing', 10, 500], ['starting', 500, 1000]],
  },
}

test.each(Object.entries(cases))('%s', (_, c) => {
  expect(spansOf(c.replica, c.built, c.first, now).map((s) => [s.what, s.from, s.to]), c.why).toEqual(c.want)
})

test('an environment is there when the node first says so of the container that trains', () => {
  const said = (uid: string, container: string, minute: number, reason = 'Pulled') =>
    ({ metadata: {}, reason, involvedObject: { uid, fieldPath: `spec.${container}` }, firstTimestamp: new Date(Date.UTC(2027, 0, 1, 0, minute)).toISOString() })
  const seen = [
    said('a', 'containers{main}', 7), said('a', 'containers{main}', 5), said('a', 'initContainers{copy}', 1), said('b', 'containers{main}', 2), said('a', 'containers{main}', 3, 'Preparing'),
  ]
  expect(builtOf(seen, { pod: { metadata: { uid: 'a' } }, container: 'main' })).toBe(Date.UTC(2027, 0, 1, 0, 5))
  expect(builtOf(seen, { pod: { metadata: { uid: 'c' } }, container: 'main' })).toBeUndefined()
})

test('the first step is that of the container that runs, which may be another than the first', () => {
  const line = (name: string, replica: string, ...times: number[]) => ({ name, replica, points: times.map((time, step) => ({ time, step, epoch: 0, value: 1 })) })
  const series = [line('loss', 'master-0', 10, 60, 90), line('accuracy', 'master-0', 12, 55), line('loss', 'worker-0', 51)]
  expect(firstStepOf(series, { name: 'master-0' })).toBe(10)
  expect(firstStepOf(series, { name: 'master-0', started: 50 })).toBe(55)
  expect(firstStepOf(series, { name: 'master-0', started: 100 })).toBeUndefined()
  expect(firstStepOf(undefined, { name: 'master-0' })).toBeUndefined()
})
