import { expect, test } from 'vitest'
import { goingOf, removeAll, saidOf } from './goes'
import type { Entry } from './s3'

const file = (key: string, size = 10): Entry => ({ key, name: key, folder: false, size })
const folder = (key: string): Entry => ({ key, name: key, folder: true, size: 0 })

async function* list(_: string, prefix: string) {
  yield [file(`${prefix}a`), file(`${prefix}sub/b`)]
  yield Array.from({ length: 5 }, (_, i) => file(`${prefix}c${i}`))
}

test('what goes is said first: all that folders hold, too', async () => {
  const going = await goingOf('b', [file('one', 5), folder('in/')], list)
  expect(going).toMatchObject({ files: 8, size: 75 })
  expect(saidOf(going)).toBe('8 files, 75 B: one, in/a, in/sub/b, in/c0, in/c1 and 3 more')
  expect(saidOf(await goingOf('b', [file('one', 5)], list))).toBe('1 file, 5 B: one')
})

test('files go before the folders that they lie in', async () => {
  const gone: string[] = []
  await removeAll('b', { keys: ['in/', 'in/sub/', 'in/a', 'in/sub/b'], size: 0, files: 2 }, false, async (_, key) => {
    gone.push(key)
    return new Response()
  })
  expect(gone.slice(0, 2).sort()).toEqual(['in/a', 'in/sub/b'])
  expect(gone.slice(2)).toEqual(['in/sub/', 'in/'])
})
