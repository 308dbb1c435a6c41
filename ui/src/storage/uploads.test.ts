import { expect, test } from 'vitest'
import { ApiError } from '../live/client'
import type { Entry } from './s3'
import { partSizeOf, Uploads, type Sent } from './uploads'
import type { Wire } from './wire'

const part = 8 << 20

/** fake is an S3 that keeps what it is told, and says no when it shall. */
function fake(refuse: (what: string) => number | undefined = () => undefined) {
  const files = new Map<string, { size: number; at: number }>()
  const begun = new Map<string, Map<number, number>>()
  const asked: string[] = []
  const ask = (what: string) => {
    asked.push(what)
    const status = refuse(what)
    if (status !== undefined) throw new ApiError(status, '', `refused ${status}`)
  }
  const wire: Wire = {
    put: async (b, k, data) => { ask(`put ${k}`); files.set(`${b}/${k}`, { size: data.size, at: Date.now() }) },
    start: async (_, k) => { ask(`start ${k}`); const id = `u${begun.size}`; begun.set(id, new Map()); return id },
    part: async (_, k, id, n, data) => { ask(`part ${k} ${n}`); begun.get(id)?.set(n, data.size); return `"${n}"` },
    parts: async (_, k, id) => { ask(`parts ${k}`); return [...(begun.get(id) ?? [])].map(([number, size]) => ({ number, size, tag: `"${number}"` })) },
    finish: async (b, k, id, parts) => { ask(`finish ${k} ${parts.map((p) => p.number)}`); files.set(`${b}/${k}`, { size: parts.reduce((n, p) => n + p.size, 0), at: Date.now() }); begun.delete(id) },
    abort: async (_, k, id) => { ask(`abort ${k}`); begun.delete(id) },
    list: async function* (b) {
      yield [...files].map(([place, f]): Entry => ({ key: place.slice(b.length + 1), name: place, folder: false, size: f.size, changed: new Date(f.at).toISOString() }))
    },
  }
  return { wire, files, begun, asked }
}

const storage = () => {
  const all = new Map<string, string>()
  return { all, getItem: (k: string) => all.get(k) ?? null, setItem: (k: string, v: string) => void all.set(k, v), removeItem: (k: string) => void all.delete(k) }
}
const sent = (path: string, size: number): Sent => ({ path, file: new File([new Uint8Array(size)], path, { lastModified: 7 }) })
const never = () => Promise.resolve()

test('small files go whole and large ones in parts', async () => {
  const { wire, files, asked } = fake()
  const kept = storage()
  const u = new Uploads(wire, kept, never)
  await u.send('b', 'in/', [sent('a.txt', 3), sent('sub/big', 2 * part + 1)])
  expect(Object.fromEntries([...files].map(([k, f]) => [k, f.size]))).toEqual({ 'b/in/a.txt': 3, 'b/in/sub/big': 2 * part + 1 })
  expect(asked).toContain('finish in/sub/big 1,2,3')
  expect(u.current()).toMatchObject({ done: 2, sent: 2 * part + 4, lost: false, failed: [] })
  expect(kept.all.size).toBe(0)
})

test('a lost connection is waited for', async () => {
  let lost = 3
  const { wire, files } = fake((what) => (what.startsWith('part') && lost-- > 0 ? 0 : undefined))
  await new Uploads(wire, storage(), never).send('b', '', [sent('big', 3 * part)])
  expect(files.get('b/big')?.size).toBe(3 * part)
})

test('after a reload the same files go on where they were', async () => {
  let dead = false
  const s3 = fake((what) => { if (what === 'part big 3') dead = true; return dead ? 403 : undefined })
  const kept = storage()
  const files = [sent('a', 1), sent('big', 5 * part), sent('b', 2)]
  const first = new Uploads(s3.wire, kept, never)
  await first.send('b', 'in/', [sent('a', 1)])
  dead = false
  await first.send('b', '', files)
  expect(first.current().failed.length).toBeGreaterThan(0)

  const there = [...(s3.begun.values().next().value ?? [])].length
  expect(there).toBeGreaterThan(0)
  const again = fake()
  again.files.clear()
  for (const [k, v] of s3.files) again.files.set(k, v)
  for (const [k, v] of s3.begun) again.begun.set(k, v)
  const second = new Uploads(again.wire, kept, never)
  expect(second.interrupted('b', 'elsewhere/')).toBeUndefined()
  expect(second.interrupted('b', '')).toMatchObject({ files: 3 })
  await second.send('b', '', files)
  expect(again.files.get('b/big')?.size).toBe(5 * part)
  expect(again.asked.filter((a) => a.startsWith('part big'))).toHaveLength(5 - there)
  expect(again.asked.filter((a) => a.startsWith('start'))).toEqual([])
  expect(again.asked).not.toContain('put a')
  expect(kept.all.size).toBe(0)
})

test('a file that has changed meanwhile is sent anew', async () => {
  const s3 = fake()
  const kept = storage()
  kept.setItem('weir.upload.begun', JSON.stringify({ 'b/big': { upload: 'old', size: 2 * part, modified: 1 } }))
  await new Uploads(s3.wire, kept, never).send('b', '', [sent('big', 2 * part)])
  expect(s3.asked).toContain('start big')
})

test('what S3 does not take is named, and the rest goes on', async () => {
  const { wire, files } = fake((what) => (what === 'put bad' ? 403 : undefined))
  const u = new Uploads(wire, storage(), never)
  await u.send('b', '', [sent('bad', 1), sent('good', 1)])
  expect(u.current().failed).toEqual([{ path: 'bad', message: 'refused 403' }])
  expect([...files.keys()]).toEqual(['b/good'])
})

test('an interrupted batch is forgotten with its parts', async () => {
  const s3 = fake((what) => (what === 'part big 2' ? 403 : undefined))
  const kept = storage()
  const u = new Uploads(s3.wire, kept, never)
  await u.send('b', '', [sent('big', 3 * part)])
  await u.forget()
  expect(s3.asked).toContain('abort big')
  expect(kept.all.size).toBe(0)
  expect(u.interrupted('b', '')).toBeUndefined()
})

test.each([[1, part], [9000 * part, part], [100e9, 2 * part]])('parts of a file of %d bytes', (size, want) => {
  expect(partSizeOf(size)).toBe(want)
  expect(Math.ceil(size / partSizeOf(size))).toBeLessThanOrEqual(10_000)
})
