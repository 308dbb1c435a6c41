import { expect, test } from 'vitest'
import { namespaceOf } from './s3'

test.each([
  ['team', 'team'],
  ['team-data', 'team'],
  ['team-a-data', 'team-a'],
  ['teamwork', ''],
  ['models', ''],
])('the bucket %s belongs to %o', (bucket, namespace) => {
  expect(namespaceOf(bucket, ['team', 'team-a', 'other'])).toBe(namespace)
})
