import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { rowsOf } from './csv'
import { modelOf } from './keras'
import { arraysOf } from './numpy'
import { bytesOf } from './ranges'
import { previewOf } from './s3'

const npy = (descr: string, shape: string, fortran = 'False') => {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }\n`
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY\x01\x00'), Buffer.from([header.length & 255, header.length >> 8]), Buffer.from(header), Buffer.alloc(10_000)])
}

/** zip writes an archive, of which nothing but what is looked at is right. */
function zip(files: Record<string, Buffer>, deflate: boolean) {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, data] of Object.entries(files)) {
    const packed = deflate ? deflateRawSync(data) : data
    const local = Buffer.alloc(30)
    local.writeUInt16LE(name.length, 26)
    local.writeUInt16LE(4, 28) // more than the directory has
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50)
    entry.writeUInt16LE(deflate ? 8 : 0, 10)
    entry.writeUInt32LE(packed.length, 20)
    entry.writeUInt32LE(data.length, 24)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(offset, 42)
    directory.push(entry, Buffer.from(name))
    const whole = Buffer.concat([local, Buffer.from(name), Buffer.alloc(4), packed])
    parts.push(whole)
    offset += whole.length
  }
  const listed = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt32LE(listed.length, 12)
  end.writeUInt32LE(offset, 16)
  return bytesOf(new Uint8Array(Buffer.concat([...parts, listed, end])))
}

describe('NumPy', () => {
  it('says the shape and the type of an array', async () => {
    expect(await arraysOf('x.npy', bytesOf(new Uint8Array(npy('<f4', '60000, 28, 28'))))).toEqual([{ name: 'x.npy', descr: '<f4', type: 'float32', shape: [60000, 28, 28], fortran: false }])
    expect(await arraysOf('n.npy', bytesOf(new Uint8Array(npy('|b1', '', 'True'))))).toEqual([{ name: 'n.npy', descr: '|b1', type: 'bool', shape: [], fortran: true }])
  })
  it.each([true, false])('looks into archives, packed: %s', async (packed) => {
    const found = await arraysOf('data.npz', zip({ 'x_train.npy': npy('<i8', '7,'), 'y.npy': npy('<U5', '7, 2') }, packed))
    expect(found.map((a) => [a.name, a.type, a.shape])).toEqual([['x_train', 'int64', [7]], ['y', 'text of 5', [7, 2]]])
  })
  it('says so of another file', async () => {
    await expect(arraysOf('x.npy', bytesOf(new Uint8Array(20)))).rejects.toThrow('x.npy is no file of NumPy.')
    await expect(arraysOf('x.npz', bytesOf(new Uint8Array(200)))).rejects.toThrow('no zip archive')
  })
})

describe('Keras', () => {
  const config = {
    class_name: 'Sequential',
    config: { name: 'mnist', layers: [{ class_name: 'Dense', config: { name: 'dense', units: 10, activation: 'softmax' }, build_config: { input_shape: [null, 784] } }] },
  }
  it('says the layers of a model', async () => {
    const model = await modelOf(zip({ 'metadata.json': Buffer.from('{"keras_version": "3.9.0"}'), 'config.json': Buffer.from(JSON.stringify(config)), 'model.weights.h5': Buffer.alloc(100_000) }, true))
    expect(model).toEqual({ name: 'mnist', kind: 'Sequential', keras: '3.9.0', layers: [{ name: 'dense', kind: 'Dense', input: '(any, 784)', said: 'units=10, activation=softmax' }] })
  })
  it('says so of another archive', async () => {
    await expect(modelOf(zip({ 'a.txt': Buffer.from('a') }, false))).rejects.toThrow('no config.json')
  })
})

describe('tables', () => {
  it.each([
    ['a,b\r\n1,"x, ""y"""\n', true, [['a', 'b'], ['1', 'x, "y"']]],
    ['a,b\n1,2\n3', true, [['a', 'b'], ['1', '2'], ['3']]],
    ['a,b\n1,2\n3', false, [['a', 'b'], ['1', '2']]],
    ['', true, []],
  ])('%j', (text, whole, rows) => expect(rowsOf(text, ',', 100, whole)).toEqual(rows))
})

it.each([
  ['a.csv', 'table'], ['a.json', 'json'], ['events.out.tfevents.1.host', 'scalars'], ['m.keras', 'keras'], ['x.npz', 'numpy'], ['p.PNG', 'image'], ['README', 'text'], ['m.h5', 'none'],
])('%s is shown as %s', (name, kind) => expect(previewOf(name)).toBe(kind))
