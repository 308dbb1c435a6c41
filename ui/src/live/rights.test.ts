import { expect, test } from 'vitest'
import { pods } from './resource'
import { rightsBy, shells, type Rule } from './rights'

const view: Rule = { verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['pods', 'pods/log'] }
const jobs = { group: 'kubeflow.org', plural: 'tfjobs' }

test.each<[string, Rule[], string, { group: string; plural: string }, boolean]>([
  ['what a rule names', [view], 'list', pods, true],
  ['another verb', [view], 'delete', pods, false],
  ['another group', [{ ...view, resources: ['tfjobs'] }], 'list', jobs, false],
  ['a part of an object is a thing of its own', [view], 'create', shells, false],
  ['everything', [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], 'create', shells, true],
  ['one object by its name is not all', [{ ...view, resourceNames: ['mine'] }], 'list', pods, false],
  ['a rule for addresses names no objects', [{ verbs: ['get'] }], 'get', pods, false],
  ['one of several rules', [view, { verbs: ['create'], apiGroups: ['kubeflow.org'], resources: ['tfjobs'] }], 'create', jobs, true],
])('%s', (_, rules, verb, of, may) => {
  expect(rightsBy(rules)(verb, of)).toBe(may)
})
