import { expect, test } from 'vitest'
import { byNeed, inView, viewOf } from './list'
import { condition, makeJob } from './make'

const now = Date.parse('2026-11-25T12:00:00Z')
const job = (name: string, state: string, created = '2026-11-25T10:00:00Z') =>
  makeJob('TFJob', { name, created, status: { conditions: [condition(state, { lastTransitionTime: created })] } })

test('what needs somebody comes first, and then the newest', () => {
  const jobs = [
    job('done', 'Succeeded'), job('older', 'Running', '2026-11-25T08:00:00Z'), job('newer', 'Running'), job('failed', 'Failed'),
    job('failed-long-ago', 'Failed', '2026-11-01T10:00:00Z'), job('waits', 'Created'),
  ]
  expect(byNeed(jobs, now).map((j) => j.name)).toEqual(['waits', 'failed', 'newer', 'older', 'done', 'failed-long-ago'])
})

test('a view shows what matches all that it asks for', () => {
  const jobs = [job('mnist-a', 'Running'), job('mnist-b', 'Failed'), makeJob('PyTorchJob', { name: 'mnist-c', status: { conditions: [condition('Running')] } })]
  const names = (search: Record<string, unknown>) => inView(jobs, viewOf(search)).map((j) => j.name)
  expect(names({})).toEqual(['mnist-a', 'mnist-b', 'mnist-c'])
  expect(names({ state: 'running' })).toEqual(['mnist-a', 'mnist-c'])
  expect(names({ state: 'running', kind: 'tfjobs' })).toEqual(['mnist-a'])
  expect(names({ q: 'MNIST pytorch' })).toEqual(['mnist-c'])
})

test('an address that makes no sense shows everything', () => {
  expect(viewOf({ state: 'flying', sort: '"; drop', group: 1, q: 7, columns: '<b>' })).toEqual({ q: '7' })
})

test('ten thousand jobs are put in order within what one does not notice', () => {
  const jobs = Array.from({ length: 10_000 }, (_, i) => job(`job-${i}`, ['Running', 'Failed', 'Created', 'Succeeded'][i % 4] ?? ''))
  const start = performance.now()
  const shown = byNeed(inView(jobs, { q: 'job-' }), now)
  expect(shown).toHaveLength(10_000)
  expect(performance.now() - start).toBeLessThan(1000) // 30 ms where nothing else runs
})
