// Event files as TensorBoard reads them: records of protocol buffers, each with its checksums.

const table = Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0x82f63b78 : n >>> 1
  return n >>> 0
})

function checksum(data: Buffer) {
  let crc = 0xffffffff
  for (const byte of data) crc = (table[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8)
  crc = ~crc >>> 0
  const out = Buffer.alloc(4)
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
  return out
}

function record(data: Buffer) {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(data.length))
  return Buffer.concat([length, checksum(length), data, checksum(data)])
}

const bytes = (field: number, data: Buffer) => Buffer.concat([Buffer.from([(field << 3) | 2, data.length]), data])
const double = (field: number, value: number) => { const b = Buffer.alloc(9); b[0] = (field << 3) | 1; b.writeDoubleLE(value, 1); return b }
const float = (field: number, value: number) => { const b = Buffer.alloc(5); b[0] = (field << 3) | 5; b.writeFloatLE(value, 1); return b }

/** events is a file with a scalar, one value a step; there may be 127 of them. */
export function events(tag: string, values: readonly number[]) {
  const at = Date.now() / 1000
  const header = Buffer.concat([double(1, at), bytes(3, Buffer.from('brain.Event:2'))])
  const steps = values.map((value, step) =>
    Buffer.concat([double(1, at + step), Buffer.from([2 << 3, step]), bytes(5, bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])))]))
  return Buffer.concat([header, ...steps].map(record))
}
