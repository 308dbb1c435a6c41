import { expect, test } from 'vitest'
import type { Pod } from '../api/kubernetes'
import { gpusOf } from './gpus'
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
