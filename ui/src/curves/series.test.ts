import { expect, test } from 'vitest'
import { across, linesOf, namesApart, namesOf, smooth, toCSV, type Line } from './series'

const line = (name: string, points: [step: number, epoch: number, time: string, value: number][]): Line => ({
  name, replica: 'chief-0', points: points.map(([step, epoch, time, value]) => ({ step, epoch, time: Date.parse(time), value })),
})
const loss = line('loss', [[10, 1, '2026-01-01T00:00:00Z', 2], [20, 2, '2026-01-01T00:00:30Z', NaN], [20, 2, '2026-01-01T00:01:00Z', 1]])

test('a place that is told twice has its last value, and what is no number leaves a gap', () => {
  expect(across(loss, 'step')).toEqual({ x: [10, 20], y: [2, 1] })
  expect(across(loss, 'time')).toEqual({ x: [0, 30, 60], y: [2, null, 1] })
})

test('what counts neither steps nor epochs is drawn one by one', () => {
  const bare = line('f1', [[0, 0, '2026-01-01T00:00:00Z', 0.1], [0, 0, '2026-01-01T00:00:01Z', 0.2]])
  expect(across(bare, 'step').x).toEqual([1, 2])
})

test('smoothing does not start at zero, and keeps gaps', () => {
  expect(smooth([1, 1, null, 1], 0.9)).toEqual([1, 1, null, 1].map((v) => (v === null ? null : expect.closeTo(v, 9))))
  expect(smooth([0, 1], 0.5)[1]).toBeCloseTo(2 / 3)
})

test('losses come first, then accuracies', () => {
  expect(namesOf([line('lr', []), line('val_accuracy', []), line('val_loss', []), line('loss', [])])).toEqual(['loss', 'val_loss', 'val_accuracy', 'lr'])
})

test('jobs of one name are told apart by their places', () => {
  const job = (namespace: string, name: string) => ({ name, namespace, kind: { plural: 'tfjobs' } })
  expect(namesApart([job('a', 'mnist'), job('b', 'mnist'), job('a', 'other')])).toEqual(['a/tfjobs/mnist', 'b/tfjobs/mnist', 'other'])
})

test('an answer is read, with words for what is no number', () => {
  const answer = { replicas: [{ name: 'worker-0', series: [{ name: 'loss', points: [{ step: 1, time: '2026-01-01T00:00:00Z', value: 'NaN' }] }] }] }
  const [read] = linesOf(answer)
  expect(read).toMatchObject({ name: 'loss', replica: 'worker-0' })
  expect(read?.points[0]?.value).toBeNaN()
})

test('a table for spreadsheets quotes what it must', () => {
  expect(toCSV([line('a,b', [[1, 1, '2026-01-01T00:00:00Z', 0.5]])])).toBe(
    'job,replica,name,step,epoch,time,value\n,chief-0,"a,b",1,1,2026-01-01T00:00:00.000Z,0.5\n',
  )
})
