import { deflateRawSync } from 'node:zlib'
import { events } from './events'
import { expect, expectAccessible, test } from './weir'

const npy = (shape: string) => {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }\n`
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY\x01\x00'), Buffer.from([header.length & 255, header.length >> 8]), Buffer.from(header), Buffer.alloc(100_000)])
}

/** archive is a zip with one packed file in it. */
function archive(name: string, data: Buffer) {
  const packed = deflateRawSync(data)
  const local = Buffer.alloc(30)
  local.writeUInt16LE(name.length, 26)
  const entry = Buffer.alloc(46)
  entry.writeUInt32LE(0x02014b50)
  entry.writeUInt16LE(8, 10)
  entry.writeUInt32LE(packed.length, 20)
  entry.writeUInt32LE(data.length, 24)
  entry.writeUInt16LE(name.length, 28)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt32LE(46 + name.length, 12)
  end.writeUInt32LE(30 + name.length + packed.length, 16)
  return Buffer.concat([local, Buffer.from(name), packed, entry, Buffer.from(name), end])
}

const model = { class_name: 'Sequential', config: { name: 'mnist', layers: [{ class_name: 'Dense', config: { name: 'dense', units: 10 }, build_config: { input_shape: [null, 784] } }] } }

test('files are shown as what they are', async ({ weir, owner }) => {
  const origin = new URL(owner.url()).origin
  for (const [name, data, role, label, text] of [
    ['scores.csv', Buffer.from('epoch,loss\n1,"0,5"\n2,0.4\n'), 'cell', '0,5', /2 rows, 2 columns/],
    ['data.npy', npy('60000, 28, 28'), 'cell', '(60000, 28, 28)', /1 array/],
    ['data.npz', archive('x_train.npy', npy('7, 3')), 'cell', '(7, 3)', /x_train/],
    ['model.keras', archive('config.json', Buffer.from(JSON.stringify(model))), 'cell', '(any, 784)', /Sequential mnist: 1 layer/],
    ['run/events.out.tfevents.1.pod', events('loss', [3, 2, 1]), 'img', /loss/, /loss/],
  ] as const) {
    await weir.put(owner, 'default-files', name, data)
    const at = name.lastIndexOf('/') + 1
    await owner.goto(`${origin}/storage?${new URLSearchParams({ bucket: 'default-files', prefix: name.slice(0, at), file: name.slice(at) })}`)
    await expect(owner.getByRole(role, { name: label }).first()).toBeVisible()
    await expect(owner.getByRole('main')).toContainText(text)
    await expectAccessible(owner)
  }
  await weir.put(owner, 'default-files', 'settings.json', Buffer.from('{"rate":{"first":0.1}}'))
  await owner.goto(`${origin}/storage?bucket=default-files&file=settings.json`)
  await expect(owner.getByText('"first": 0.1')).toBeVisible()
  await weir.put(owner, 'default-files', 'weights.h5', Buffer.from('x'))
  await owner.goto(`${origin}/storage?bucket=default-files&file=weights.h5`)
  await expect(owner.getByText('It is in HDF5, which is not looked into here')).toBeVisible()
})
