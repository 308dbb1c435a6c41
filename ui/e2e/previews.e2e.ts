import { deflateRawSync } from 'node:zlib'
import type { Locator, Page } from '@playwright/test'
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

const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')
const drawing = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><rect width="1" height="1"/></svg>')

const files: [name: string, data: Buffer, shown: (page: Page) => Locator, text: RegExp][] = [
  ['scores.csv', Buffer.from('epoch,loss\n1,"0,5"\n2,0.4\n'), (page) => page.getByRole('cell', { name: '0,5' }), /2 rows, 2 columns/],
  ['data.npy', npy('60000, 28, 28'), (page) => page.getByRole('cell', { name: '(60000, 28, 28)' }), /1 array/],
  ['data.npz', archive('x_train.npy', npy('7, 3')), (page) => page.getByRole('cell', { name: '(7, 3)' }), /x_train/],
  ['model.keras', archive('config.json', Buffer.from(JSON.stringify(model))), (page) => page.getByRole('cell', { name: '(any, 784)' }), /Sequential mnist: 1 layer/],
  ['run/events.out.tfevents.1.pod', events('loss', [3, 2, 1]), (page) => page.getByRole('img', { name: /loss/ }), /loss/],
  ['settings.json', Buffer.from('{"rate":{"first":0.1}}'), (page) => page.getByText('"first": 0.1'), /rate/],
  ['weights.h5', Buffer.from('x'), (page) => page.getByText('It is in HDF5, which is not looked into here'), /no preview/],
  ['empty.txt', Buffer.alloc(0), (page) => page.getByRole('heading', { name: 'The file is empty' }), /empty/],
  ['broken.npz', Buffer.from('x'), (page) => page.getByText('This is no zip archive'), /This file cannot be read/],
  ['plot.png', picture, (page) => page.getByRole('img', { name: /plot.png/ }), /Download/],
  ['plot.svg', drawing, (page) => page.getByRole('img', { name: /plot.svg/ }), /Download/],
]

test('files in buckets and in containers are shown as what they are', async ({ weir, owner }) => {
  const { origin } = new URL(owner.url())
  const keyOf = (name: string) => name.replaceAll('/', '.')
  await weir.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'files', namespace: 'default' }, binaryData: Object.fromEntries(files.map(([name, data]) => [keyOf(name), data.toString('base64')])) })
  await weir.apply({
    apiVersion: 'v1', kind: 'Pod', metadata: { name: 'has-files', namespace: 'default' },
    spec: {
      terminationGracePeriodSeconds: 0, volumes: [{ name: 'files', configMap: { name: 'files', items: files.map(([name]) => ({ key: keyOf(name), path: name })) } }],
      containers: [{ name: 'main', image: 'busybox', command: ['sleep', '3000'], volumeMounts: [{ name: 'files', mountPath: '/files' }] }],
    },
  })
  for (const [name, data, shown, text] of files) {
    await weir.put(owner, 'default-files', name, data)
    const at = name.lastIndexOf('/') + 1
    for (const [address, there] of [
      ['/storage', { bucket: 'default-files', prefix: name.slice(0, at), file: name.slice(at) }],
      ['/pods/default/has-files', { view: 'files', path: `/files/${name}` }],
    ] as const) {
      await owner.goto(`${origin}${address}?${new URLSearchParams(there)}`)
      await expect(shown(owner).first()).toBeVisible()
      await expect(owner.getByRole('main')).toContainText(text)
      if (name.startsWith('plot')) await expect(shown(owner)).toHaveJSProperty('naturalWidth', 1)
      if (address !== '/storage') await expectAccessible(owner) // It is the same in both.
    }
  }
})
