import type { Source } from './ranges'

/** A Member is a file in a zip archive. */
export interface Member {
  name: string
  size: number
  packed: number
  /** 0 is as it is, 8 is deflated. */
  method: number
  offset: number
}

const endMark = 0x06054b50
const entryMark = 0x02014b50

const view = (b: Uint8Array) => new DataView(b.buffer, b.byteOffset, b.byteLength)

/** members lists what is in an archive, by its end alone. */
export async function members(source: Source): Promise<Member[]> {
  const tail = await source.read(-65_600)
  const v = view(tail.bytes)
  let end = tail.bytes.length - 22
  while (end >= 0 && v.getUint32(end, true) !== endMark) end--
  if (end < 0) throw new Error('This is no zip archive: its directory is missing.')
  const length = v.getUint32(end + 12, true)
  const start = v.getUint32(end + 16, true)
  if (start === 0xffffffff) throw new Error('The archive has more than 4 GB, and is not looked into.')
  const directory = start >= tail.at ? tail.bytes.subarray(start - tail.at, start - tail.at + length) : (await source.read(start, start + length)).bytes
  const d = view(directory)
  const all: Member[] = []
  for (let at = 0; at + 46 <= directory.length && d.getUint32(at, true) === entryMark; ) {
    const name = d.getUint16(at + 28, true)
    all.push({
      name: new TextDecoder().decode(directory.subarray(at + 46, at + 46 + name)),
      method: d.getUint16(at + 10, true), packed: d.getUint32(at + 20, true), size: d.getUint32(at + 24, true), offset: d.getUint32(at + 42, true),
    })
    at += 46 + name + d.getUint16(at + 30, true) + d.getUint16(at + 32, true)
  }
  return all
}

/** contents are the first bytes of a member, at most so many. */
export async function contents(source: Source, m: Member, most: number): Promise<Uint8Array> {
  // The name and what follows it may be longer than in the directory.
  const header = (await source.read(m.offset, m.offset + 30)).bytes
  if (header.length < 30) throw new Error(`${m.name}: the archive ends before it.`)
  const start = m.offset + 30 + view(header).getUint16(26, true) + view(header).getUint16(28, true)
  const packed = (await source.read(start, start + Math.min(m.packed, most + 1024))).bytes
  if (m.method === 0) return packed.subarray(0, most)
  if (m.method !== 8) throw new Error(`${m.name} is packed in a way that is not looked into.`)
  return inflated(packed, most)
}

async function inflated(packed: Uint8Array, most: number): Promise<Uint8Array> {
  const stream = new DecompressionStream('deflate-raw')
  const writer = stream.writable.getWriter()
  // Only a part is sent, so that the end of the stream may be missed.
  void writer.write(new Uint8Array(packed)).then(() => writer.close()).catch(() => undefined)
  const reader = stream.readable.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  try {
    for (let part = await reader.read(); !part.done && length < most; part = await reader.read()) {
      parts.push(part.value)
      length += part.value.length
    }
  } catch (error) {
    if (length === 0) throw error
  }
  void reader.cancel().catch(() => undefined)
  const all = new Uint8Array(length)
  let at = 0
  for (const p of parts) {
    all.set(p, at)
    at += p.length
  }
  return all.subarray(0, most)
}
