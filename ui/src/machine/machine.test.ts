import { expect, test } from 'vitest'
import type { Pod } from '../api/kubernetes'
import { gpusOf } from './gpus'
import { usesOf } from './shares'
import { pathOf, spanOf, type Point } from './hour'

const at = (minute: number, cores: number): Point => ({ at: new Date(Date.UTC(2027, 0, 1, 0, minute)).toISOString(), cores, memory: 0 })

test('the line ends now, and breaks where nothing is known', () => {
  const points = [at(0, 0), at(1, 1), at(30, 2), at(60, 4)]
  expect(spanOf(points)).toBe(3_600_000)
  expect(pathOf(points, (p) => p.cores, 4, 600, 80)).toBe('M0.0 80.0L10.0 60.0M300.0 40.0M600.0 0.0')
  expect(pathOf([], (p) => p.cores, 4, 600, 80)).toBe('')
})

test('GPUs are of the pods that are on a node and have not ended', () => {
  const pod = (name: string, phase: string, ...gpus: (string | undefined)[]): Pod => ({
    metadata: { name, namespace: 'team' }, status: { phase },
    spec: { nodeName: 'weir', containers: gpus.map((n, i) => ({ name: `c${i}`, ...(n && { resources: { limits: { 'nvidia.com/gpu': n } } }) })) },
  })
  expect(gpusOf([pod('two', 'Running', '1', '1'), pod('none', 'Running', undefined), pod('ended', 'Succeeded', '4'), pod('four', 'Pending', '4')]))
    .toEqual([{ namespace: 'team', name: 'four', gpus: 4 }, { namespace: 'team', name: 'two', gpus: 2 }])
})

test('what pods use is that of those that run, as far as it is measured', () => {
  const pod = (name: string, phase: string, cpu?: string): Pod => ({
    metadata: { name, namespace: 'team' }, status: { phase }, spec: { nodeName: 'weir', containers: [{ name: 'main', resources: { requests: { ...(cpu && { cpu }), memory: '1Gi' } } }] },
  })
  const uses = (name: string, cpu: string, namespace = 'team') => ({ metadata: { name, namespace }, containers: [{ usage: { cpu, memory: '100Mi' } }, { usage: { cpu, memory: '0' } }] })
  const pods = [pod('a', 'Running', '2'), pod('b', 'Running'), pod('c', 'Succeeded', '8')]
  expect(usesOf(pods, [uses('a', '250m'), uses('c', '7'), uses('a', '9', 'other')])).toEqual([
    { what: 'cpu', asked: 2, used: 0.5 }, { what: 'memory', asked: 2 * 2 ** 30, used: 100 * 2 ** 20 }, { what: 'gpu', asked: 0 },
  ])
  expect(usesOf(pods, undefined)).toEqual([{ what: 'cpu', asked: 2 }, { what: 'memory', asked: 2 * 2 ** 30 }, { what: 'gpu', asked: 0 }])
})
