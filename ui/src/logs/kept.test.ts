import { expect, test } from 'vitest'
import { goneOf, type KeptPod } from './kept'

const made = Date.parse('2026-01-01T10:00:00Z')
const pod = (name: string, uid: string, seconds = 0, containers = [{ name: 'main', attempts: [0] }]): KeptPod =>
  ({ name, uid, created: new Date(made + seconds * 1000).toISOString(), containers })

test.each<[string, KeptPod[], { name: string; uid: string }[], { now: string[]; before: string[] }]>([
  ['one that is there is not gone', [pod('w-0', 'a')], [{ name: 'w-0', uid: 'a' }], { now: [], before: [] }],
  ['of those of a name the last counts', [pod('w-0', 'b', 9), pod('w-1', 'c', 5), pod('w-0', 'a')], [], { now: ['b', 'c'], before: ['a'] }],
  ['another has its name now', [pod('w-0', 'b', 9), pod('w-0', 'a')], [{ name: 'w-0', uid: 'c' }], { now: [], before: ['b', 'a'] }],
  ['it was of a job that had the name before', [pod('w-0', 'a', -60)], [], { now: [], before: [] }],
  ['it was made in the same second as its job', [pod('w-0', 'a', -0.5)], [], { now: ['a'], before: [] }],
  ['nothing of it is left', [pod('w-0', 'a', 0, [])], [], { now: [], before: [] }],
])('%s', (_, kept, there, want) => {
  const { now, before } = goneOf(kept, there, made)
  expect({ now: now.map((p) => p.uid), before: before.map((p) => p.uid) }).toEqual(want)
})
