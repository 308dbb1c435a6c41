import { describe, expect, test } from 'vitest'
import { ApiError } from '../../live/client'
import { jobKinds } from '../kinds'
import { blank, blankKinds } from './blank'
import { faultsOf, freeName, joinWords, readManifest, splitWords, templatesOf, write, writeIn } from './manifest'

describe.each(blankKinds(jobKinds).map((k) => [k.kind, k] as const))('a blank %s', (_, kind) => {
  const m = readManifest(blank(kind, 'mnist'))

  test('is whole: a job, its script, and templates that run it', () => {
    expect(m.faults).toEqual([])
    expect(m.kind?.kind).toBe(kind.kind)
    expect(m.objects.map((o) => o.kind)).toEqual([kind.kind, 'ConfigMap'])
    const templates = templatesOf(m)
    expect(templates.length).toBeGreaterThan(0)
    for (const t of templates) expect(t.template?.spec?.containers[0]?.command).toEqual(['python', '-u', '/code/train.py'])
  })

  test('takes another image in all its replicas', () => {
    const changed = readManifest(writeIn(m, m.at, templatesOf(m).map((t) => [...t.path, 'spec', 'containers', 0, 'image']), 'mine:1'))
    expect(templatesOf(changed).map((t) => t.template?.spec?.containers[0]?.image)).toEqual(templatesOf(m).map(() => 'mine:1'))
  })
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
