import { describe, expect, test } from 'vitest'
import { ApiError } from '../../live/client'
import { jobKinds, kindNamed } from '../kinds'
import { blank, programsFor } from './blank'
import { codeOf, faultIn, packagesOf, takesPackages, writeCode, writePackages } from './code'
import { nameOf, resourcesOf } from './hardware'
import { faultsOf, freeName, joinWords, partsOf, readManifest, splitWords, write, writeIn } from './manifest'

const mains = (text: string) => partsOf(readManifest(text)).map((p) => p.main)

describe.each(jobKinds.flatMap((k) => programsFor(k).map((p) => [k.kind, p, k] as const)))('a blank %s whose program is of the sort %s', (_, program, kind) => {
  const m = readManifest(blank(kind, 'mnist', program, 's3://files/digits/learn.py'))

  test('is whole: a job, its program, and parts that run it', () => {
    expect(m.faults).toEqual([])
    expect(m.kind?.kind).toBe(kind.kind)
    expect(m.objects.map((o) => o.kind)).toEqual(program === 'script' ? [kind.kind, 'ConfigMap'] : [kind.kind])
    const parts = partsOf(m)
    expect(parts.length).toBeGreaterThan(0)
    const file = { script: '/code/train.py', git: 'learn.py', storage: 'learn.py', image: undefined }[program]
    expect(parts.flatMap((p) => p.main?.command ?? []).find((w) => w.endsWith('.py'))).toBe(file)
    expect(codeOf(parts[0])?.code).toEqual({ git: { from: 'git', address: '', branch: '' }, storage: { from: 'storage', folder: 's3://files/digits/' }, script: undefined, image: undefined }[program])
  })

  test('takes another image in all its replicas', () => {
    const changed = writeIn(m, m.at, partsOf(m).map((p) => [...p.container, 'image']), 'mine:1')
    expect(mains(changed).map((c) => c?.image)).toEqual(partsOf(m).map(() => 'mine:1'))
  })
})

describe('where a program is fetched from', () => {
  const kind = kindNamed('TFJob')
  const m = readManifest(kind ? blank(kind, 'mnist', 'git') : '')

  test('is changed in all replicas', () => {
    const changed = readManifest(writeCode(m, partsOf(m), { from: 'git', address: 'https://example.org/a/b.git', branch: 'v2' }))
    for (const p of partsOf(changed)) expect(codeOf(p)?.code).toEqual({ from: 'git', address: 'https://example.org/a/b.git', branch: 'v2' })
  })

  test.each([
    ['https://example.org/a/b.git', undefined], ['git@example.org:a/b', undefined], ['ssh://git@example.org:22/a/b.git', undefined], ['git://10.0.0.1:9418/a', undefined],
    ['example.org/a/b', /git clone takes/], ['https://ada:secret@example.org/a/b', /password/], ['--upload-pack=evil', /git clone takes/],
  ])('%s', (address, fault) => {
    const found = faultIn({ from: 'git', address, branch: '' })
    if (fault) expect(found).toMatch(fault)
    else expect(found).toBeUndefined()
  })

  test.each([['s3://files/a/', true], ['s3://files/', true], ['s3://files/a', false], ['files/a/', false]])('%s', (folder, good) => {
    expect(faultIn({ from: 'storage', folder }) === undefined).toBe(good)
  })
})

test('packages are asked for by an annotation and a label, and taken back with both', () => {
  const kind = kindNamed('Job')
  const m = readManifest(kind ? blank(kind, 'mnist', 'script') : '')
  expect(takesPackages(partsOf(m)[0])).toBe(true)
  const asked = readManifest(writePackages(m, partsOf(m), ['numpy', 'pandas<3']))
  expect(packagesOf(partsOf(asked)[0])).toEqual(['numpy', 'pandas<3'])
  expect(partsOf(asked)[0]?.template?.metadata?.labels).toMatchObject({ 'weir-ml.github.io/packages': 'true', 'weir-ml.github.io/s3': 'true' })
  expect(writePackages(asked, partsOf(asked), [])).not.toContain('packages')
})

test('hardware of a menu is asked for as weir run does, and known again', () => {
  const menu = { small: { cpu: '1' }, large: { cpu: '8', memory: '32Gi', gpu: 1 } }
  expect(resourcesOf(menu.large)).toEqual({ requests: { cpu: '8', memory: '32Gi', 'nvidia.com/gpu': 1 }, limits: { memory: '32Gi', 'nvidia.com/gpu': 1 } })
  for (const name of ['small', 'large'] as const) expect(nameOf(menu, resourcesOf(menu[name]))).toBe(name)
  expect(nameOf(menu, { requests: { cpu: '2' } })).toBe('')
  expect(nameOf(menu, undefined)).toBe('')
})

const text = `# mine
apiVersion: batch/v1
kind: Job
metadata:
  name: a # short
spec:
  template:
    spec:
      containers:
        - name: main
          image: python:3
          resources:
            requests:
              cpu: "1"
`

test('a change leaves comments and the rest as they were', () => {
  const m = readManifest(text)
  expect(write(m, ['metadata', 'name'], 'b')).toBe(text.replace('name: a #', 'name: b #'))
})

test('a field that is taken away takes with it what it leaves empty', () => {
  expect(write(readManifest(text), ['spec', 'template', 'spec', 'containers', 0, 'resources', 'requests', 'cpu'], undefined)).not.toContain('requests')
})

test('a text that is no YAML says where', () => {
  const m = readManifest('kind: [Job\nmetadata: {')
  expect(m.objects).toEqual([])
  expect(m.faults[0]).toMatchObject({ message: expect.any(String) as string })
})

test('what the API server finds wrong stands at its place, or at the nearest above it', () => {
  const m = readManifest(text)
  const problem = new ApiError(422, 'Invalid', 'bad', [
    { field: 'spec.template.spec.containers[0].image', message: 'no such image' }, { field: 'spec.template.spec.restartPolicy', message: 'is required' },
  ])
  const [image, policy] = faultsOf(m, problem)
  expect(text.slice(image?.from, image?.to)).toBe('python:3')
  expect(policy?.message).toBe('is required')
})

describe('command lines', () => {
  test.each([
    ['python -u train.py', ['python', '-u', 'train.py']], [`sh -c 'echo "a b"'`, ['sh', '-c', 'echo "a b"']], ['--name="it\'s"', ["--name=it's"]], ['', []],
  ])('%s', (line, words) => {
    expect(splitWords(line)).toEqual(words)
    expect(splitWords(joinWords(words))).toEqual(words)
  })
})

test('a name that is taken is counted up', () => {
  expect(freeName('mnist', new Set())).toBe('mnist')
  expect(freeName('mnist', new Set(['mnist', 'mnist-2']))).toBe('mnist-3')
  expect(freeName('mnist-2', new Set(['mnist-2']))).toBe('mnist-3')
})
