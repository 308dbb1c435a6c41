import { expect, test } from 'vitest'
import { rank } from './rank'

test.each([
  ['', ['digits', 'mnist-digits', 'big data jobs'], 'all, as they are'],
  ['dig', ['digits', 'mnist-digits'], 'a beginning before the beginning of a later word'],
  ['bdj', ['big data jobs'], 'letters that lie apart'],
  ['zz', [], 'nothing that has not the letters'],
])('%s finds %j: %3$s', (text, found) => {
  expect(rank(['digits', 'mnist-digits', 'big data jobs'], text, (s) => s)).toEqual(found)
})
