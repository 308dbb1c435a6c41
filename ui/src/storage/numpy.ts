import type { Source } from './ranges'
import { contents, members } from './zip'

/** An ArrayHeader is what a file of NumPy says of its array. */
export interface ArrayHeader {
  name: string
  /** float32 */
  type: string
  /** How its numbers are written, as NumPy has it: <f4. */
  descr: string
  shape: number[]
  fortran: boolean
}

const headerLength = 4096

/** arrayOf reads the header that a .npy file begins with. */
export function arrayOf(name: string, b: Uint8Array): ArrayHeader {
  if (b.length < 10 || b[0] !== 0x93 || new TextDecoder().decode(b.subarray(1, 6)) !== 'NUMPY') throw new Error(`${name} is no file of NumPy.`)
  const v = new DataView(b.buffer, b.byteOffset, b.byteLength)
  const wide = (b[6] ?? 1) > 1
  const start = wide ? 12 : 10
  const text = new TextDecoder().decode(b.subarray(start, start + (wide ? v.getUint32(8, true) : v.getUint16(8, true))))
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1]
  if (shape === undefined) throw new Error(`${name}: the header says no shape.`)
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? /'descr':\s*(\[.*?\])\s*,\s*'/.exec(text)?.[1] ?? '?'
  return { name, descr, type: typeOf(descr), shape: shape.split(',').map((n) => n.trim()).filter(Boolean).map(Number), fortran: /'fortran_order':\s*True/.test(text) }
}

const kinds: Record<string, string> = { f: 'float', i: 'int', u: 'uint', c: 'complex' }

function typeOf(descr: string): string {
  const m = /^[<>|=]?([a-zA-Z])(\d*)$/.exec(descr)
  if (!m) return 'records'
  const [, kind = '', size = ''] = m
  if (kind === 'b') return 'bool'
  if (kind === 'U') return `text of ${size}`
  if (kind === 'O') return 'objects'
  return kinds[kind] ? `${kinds[kind]}${Number(size) * 8}` : descr
}

/** arraysOf are the headers of a .npy file, or of all in a .npz file. */
export async function arraysOf(name: string, source: Source): Promise<ArrayHeader[]> {
  if (!/\.npz$/i.test(name)) return [arrayOf(name, (await source.read(0, headerLength)).bytes)]
  const all: ArrayHeader[] = []
  for (const m of (await members(source)).slice(0, 200)) all.push(arrayOf(m.name.replace(/\.npy$/, ''), await contents(source, m, headerLength)))
  return all
}
