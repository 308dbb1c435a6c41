import { expect, test } from 'vitest'
import { bindingFor, grantsOf, type RoleBinding } from './grants'
import { commandFor, saidScopes, scopesOf } from './scopes'
import { wordsOf } from './words'

test('words have commas or spaces between them', () => {
  expect(wordsOf(' team-a, team-b  weir:owners,')).toEqual(['team-a', 'team-b', 'weir:owners'])
  expect(wordsOf('')).toEqual([])
})

test('grants are the people in bindings, and who shares one with others cannot lose it alone', () => {
  const one = { ...bindingFor('User', 'zoe', 'edit'), metadata: { name: 'weir-edit-1' } } as RoleBinding
  const two: RoleBinding = {
    metadata: { name: 'shared' }, roleRef: { kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'Group', name: 'team-a' }, { kind: 'ServiceAccount', name: 'builder', namespace: 'team' }],
  }
  expect(grantsOf([one, two])).toEqual([
    { binding: 'shared', kind: 'Group', name: 'team-a', role: 'view', alone: false },
    { binding: 'weir-edit-1', kind: 'User', name: 'zoe', role: 'edit', alone: true },
  ])
})

test('scopes are what a token is good for, and which rights it has there', () => {
  expect(scopesOf('', '')).toEqual([])
  expect(scopesOf('s3', 'read')).toEqual(['s3', 'read'])
  expect([[], ['read'], ['s3'], ['images', 'read']].map(saidScopes)).toEqual(['all rights', 'only reads', 'Files in buckets: all rights', 'Images: only reads'])
  expect(commandFor("ada's", ['s3', 'read'])).toBe("weir token create 'ada'\\''s' --scope s3 --scope read")
})
