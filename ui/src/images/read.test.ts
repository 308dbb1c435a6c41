import { describe, expect, it } from 'vitest'
import { buildsOf, usersOf } from './read'

const pod = (name: string, phase: string, imageID = '') => ({
  metadata: { name, namespace: 'team', uid: `uid-${name}` },
  status: { phase, containerStatuses: [{ name: 'a', image: 'x', imageID, ready: true, restartCount: 0 }, { name: 'b', image: 'x', imageID, ready: true, restartCount: 0 }] },
})
const event = (of: string, reason: string, message: string, at: string) => ({
  metadata: { uid: `${of}${message}`, namespace: 'team', name: message }, involvedObject: { kind: 'Pod', name: of, uid: `uid-${of}` }, reason, message, lastTimestamp: at,
})

describe('usersOf', () => {
  it('counts a pod once, and none that has ended', () => {
    const users = usersOf([pod('runs', 'Running', 'sha256:1'), pod('ended', 'Succeeded', 'sha256:1'), pod('waits', 'Pending')])
    expect([...users]).toEqual([['sha256:1', [{ namespace: 'team', name: 'runs' }]]])
  })
})

describe('buildsOf', () => {
  it('has what is done for pods that wait, in order', () => {
    const builds = buildsOf(
      [pod('waits', 'Pending'), pod('runs', 'Running'), pod('unplaced', 'Pending')],
      [
        event('waits', 'Preparing', 'installing', '2026-01-01T00:00:02Z'), event('waits', 'Preparing', 'resolving', '2026-01-01T00:00:01Z'),
        event('waits', 'Scheduled', 'placed', '2026-01-01T00:00:00Z'), event('runs', 'Preparing', 'resolving', '2026-01-01T00:00:01Z'),
      ],
    )
    expect(builds.map((b) => [b.pod, b.lines.map((l) => l.text)])).toEqual([['waits', ['resolving', 'installing']]])
  })
})
