import { expect, test } from 'vitest'
import { kindOfObject } from './run'
import { examples } from './examples'
import { kustomize } from './kustomize'

test('each example is a job, and has what it mounts', () => {
  expect(examples.length).toBeGreaterThan(4)
  for (const e of examples) {
    const objects = e.objects()
    expect(objects.some(kindOfObject), e.id).toBe(true)
    const maps = objects.filter((o) => o.kind === 'ConfigMap').map((o) => o.metadata.name)
    for (const [, name] of JSON.stringify(objects).matchAll(/"configMap":\{"name":"([^"]+)"/g)) expect(maps, e.id).toContain(name)
  }
})

test('a file that is not there is named', () => {
  expect(() => kustomize({ 'kustomization.yaml': 'resources: [job.yaml]' })).toThrow('job.yaml')
})
