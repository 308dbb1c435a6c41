import { expect, test } from 'vitest'
import { kindNamed } from '../kinds'
import { fieldsOf, titleOf, valueAt, valueOf, type Document, type Entry } from './schema'

const document: Document = {
  components: {
    schemas: {
      job: {
        'x-kubernetes-group-version-kind': [{ group: 'kubeflow.org', version: 'v1', kind: 'TFJob' }],
        properties: { spec: { $ref: '#/components/schemas/spec' } },
      },
      spec: {
        properties: {
          runPolicy: { allOf: [{ $ref: '#/components/schemas/policy' }], description: 'Says how it runs. And more.' },
          tfReplicaSpecs: {
            type: 'object',
            additionalProperties: { properties: { replicas: { type: 'integer' }, restartPolicy: { type: 'string', enum: ['Never', 'Always'] }, template: { type: 'object', properties: {} } } },
          },
          successPolicy: { type: 'string' },
          things: { type: 'array', items: { type: 'object' } },
        },
      },
      policy: { type: 'object', properties: { backoffLimit: { type: 'integer', minimum: 0, description: 'How often it is tried again.' }, suspend: { type: 'boolean' }, words: { type: 'array', items: { type: 'string' } } } },
    },
  },
}

test('the fields of a kind are those of its schema that a form can have', () => {
  const kind = kindNamed('TFJob')
  const flat = (all: readonly Entry[]): string[] => all.flatMap((e) => (e.fields ? flat(e.fields) : [`${e.path.join('.')} ${e.type}`]))
  expect(kind && flat(fieldsOf(document, kind, ['Chief', 'Worker']))).toEqual([
    'spec.runPolicy.backoffLimit number', 'spec.runPolicy.words words', 'spec.tfReplicaSpecs.Chief.restartPolicy string', 'spec.tfReplicaSpecs.Worker.restartPolicy string', 'spec.successPolicy string',
  ])
  const [policy] = kind ? fieldsOf(document, kind, []) : []
  expect(policy).toMatchObject({ hint: 'Says how it runs.', fields: [{ min: 0, hint: 'How often it is tried again.' }, {}] })
})

test('what is typed becomes what the schema wants, and nothing is nothing', () => {
  const entry = (type: Entry['type']): Entry => ({ name: 'x', path: ['x'], hint: '', type })
  expect(valueOf(entry('number'), ' 3 ')).toBe(3)
  expect(valueOf(entry('boolean'), 'false')).toBe(false)
  expect(valueOf(entry('words'), 'a, b c')).toEqual(['a', 'b', 'c'])
  expect(valueOf(entry('string'), ' ')).toBeUndefined()
  expect(valueAt({ a: { b: 1 } }, ['a', 'b', 'c'])).toBeUndefined()
})

test('a field is called by its name in words', () => {
  expect(titleOf('activeDeadlineSeconds')).toBe('Active deadline seconds')
  expect(titleOf('enableDNSHostnames')).toBe('Enable DNS hostnames')
})
