import { expect, test } from 'vitest'
import { spansOf } from './TimeLine'

const now = 1000
const cases: Record<string, { why: string; replica: Parameters<typeof spansOf>[0]; first?: number; want: [string, number, number][] }> = {
  Waits: { why: 'it has no place yet', replica: { created: 0 }, want: [['placing', 0, 1000]] },
  Prepares: { why: 'its environment is being built', replica: { created: 0, scheduled: 10 }, want: [['placing', 0, 10], ['preparing', 10, 1000]] },
  Starts: { why: 'it has said nothing yet', replica: { created: 0, scheduled: 10, started: 50 }, want: [['placing', 0, 10], ['preparing', 10, 50], ['starting', 50, 1000]] },
  Trains: {
    why: 'from its first number on it trains', replica: { created: 0, scheduled: 10, started: 50, ended: 400 }, first: 100,
    want: [['placing', 0, 10], ['preparing', 10, 50], ['starting', 50, 100], ['training', 100, 400]],
  },
  Mute: { why: 'what says no numbers ends all the same', replica: { created: 0, scheduled: 10, started: 50, ended: 400 }, want: [['placing', 0, 10], ['preparing', 10, 50], ['starting', 50, 400]] },
  Again: {
    why: 'a container that was started again has said its first number before', replica: { created: 0, scheduled: 10, started: 500 }, first: 100,
    want: [['placing', 0, 10], ['preparing', 10, 500], ['starting', 500, 1000]],
  },
}

test.each(Object.entries(cases))('%s', (_, c) => {
  expect(spansOf(c.replica, c.first, now).map((s) => [s.what, s.from, s.to]), c.why).toEqual(c.want)
})
