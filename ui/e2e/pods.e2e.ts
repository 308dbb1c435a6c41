import { box, training } from './jobs'
import { expect, expectAccessible, picture, test } from './weir'
import type { Page } from '@playwright/test'

// What a pod is while it runs, and what is left of it.

test.describe.configure({ mode: 'serial' })

const at = (page: Page, path: string) => page.goto(new URL(path, page.url()).href)
const log = (page: Page) => page.getByRole('log')

test('a pod that was started again says why, and what it printed before', async ({ weir, owner }) => {
  await weir.apply(box('box'))
  await at(owner, '/pods/default/box')
  await expect(owner.getByRole('heading', { name: 'Before, its container main ended with exit code 3, and was started again.' })).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'pod')
  await owner.setViewportSize({ width: 390, height: 800 })
  await expectAccessible(owner)
  await picture(owner, 'pod-phone')
  await owner.setViewportSize({ width: 1280, height: 800 })
  await owner.getByRole('link', { name: 'What it printed' }).click()
  await expect(log(owner)).toContainText('the first run')
  await expect(log(owner)).not.toContainText('the second run')
  await owner.reload()
  await expect(log(owner)).toContainText('the first run')
  await owner.getByRole('button', { name: 'This run' }).click()
  await expect(log(owner)).toContainText('the second run')
  await expectAccessible(owner)
  await picture(owner, 'pod-logs')
})

test('a port of a pod is opened, and what it shows acts as nobody', async ({ weir, owner, as }) => {
  await at(owner, '/pods/default/box')
  const opens = async (click: () => Promise<void>) => {
    const opened = owner.context().waitForEvent('page')
    await click()
    return opened
  }
  const shown = await opens(() => owner.getByRole('link', { name: 'web 8000' }).click())
  await expect(shown.getByRole('heading', { name: 'Served from the box' })).toBeVisible()
  await expect(shown).toHaveTitle('its own script ran')
  const reached = await shown.evaluate(async () => {
    const ask = (path: string) => fetch(path).then((r) => `${r.status} ${new URL(r.url).pathname}`, () => 'refused')
    const hear = (path: string) => new Promise<unknown>((heard) => {
      try {
        const socket = new WebSocket(path)
        socket.onmessage = (m) => heard(m.data)
        socket.onerror = () => heard('refused')
      } catch {
        heard('refused')
      }
    })
    return {
      heard: await hear('socket'), watched: await hear('/api/v1/namespaces?watch=1'),
      own: await ask('models/loss.csv'), api: await ask('/api/v1/namespaces'), sent: await ask('away/api/v1/namespaces'), back: await ask('away/../../../../../api/v1/namespaces'),
      opened: window.open('/') === null, opener: window.opener === null, cookie: document.cookie,
    }
  })
  const below = '/portforward/default/box/8000'
  expect(reached).toEqual({ heard: 'hello', watched: 'refused', own: `200 ${below}/models/loss.csv`, api: 'refused', sent: `404 ${below}/api/v1/namespaces`, back: 'refused', opened: true, opener: true, cookie: '' })
  await owner.getByRole('textbox', { name: 'Another port' }).fill('8001')
  const nothing = await opens(() => owner.getByRole('button', { name: 'Open' }).click())
  await expect(nothing.getByText('port 8001 of pod default/box does not answer as a page does')).toBeVisible()

  await weir.weir('user', 'add', 'paul', '--no-password', '--role', 'view:default')
  const paul = await as('paul')
  await at(paul, '/pods/default/box')
  await expect(paul.getByText('Who may only look opens no ports.')).toBeVisible()
  expect((await paul.request.get(new URL('/portforward/default/box/8000/', paul.url()).href)).status()).toBe(403)
  await at(paul, '/pods/default/box?view=logs&run=previous')
  await expect(paul.getByRole('link', { name: 'Logs', exact: true })).toHaveAttribute('aria-current', 'page')
  await expect(log(paul)).toContainText('the first run')
})

test('files of a container are looked at and taken away, by who may open a terminal', async ({ owner, as }) => {
  await at(owner, '/pods/default/box')
  await owner.getByRole('navigation', { name: 'Of this pod' }).getByRole('link', { name: 'Files' }).click()
  for (const name of ['work', 'models']) await owner.getByRole('link', { name, exact: true }).click()
  await expectAccessible(owner)
  await picture(owner, 'pod-files')
  await owner.getByRole('link', { name: 'loss.csv' }).click()
  await expect(owner.getByRole('cell', { name: '0.5' })).toBeVisible()
  await expectAccessible(owner)
  const taken = owner.waitForEvent('download')
  await owner.getByRole('link', { name: 'Download' }).click()
  expect((await taken).suggestedFilename()).toBe('loss.csv')
  await owner.goBack()
  await expect(owner.getByRole('row', { name: /loss.csv/ })).toBeVisible()
  const made = await owner.request.get(new URL('/weir/files/default/box/main?path=/proc/1/environ', owner.url()).href)
  expect(await made.text()).toContain('cannot be read: it is no file')

  const paul = await as('paul')
  await at(paul, '/pods/default/box?view=files')
  await expect(paul.getByText('You may not look into files here')).toBeVisible()
  expect((await paul.request.get(new URL('/weir/files/default/box/main?path=/', paul.url()).href)).status()).toBe(403)
})

test('logs outlive pods and jobs, for who may read them', async ({ weir, owner }) => {
  await weir.apply({ ...training('swept', 2, 0), spec: { ...training('swept', 2, 0).spec, runPolicy: { cleanPodPolicy: 'All' } } })
  await at(owner, '/jobs/default/pytorchjobs/swept')
  await expect(owner.getByText('Their pods were taken away when the job ended.')).toBeVisible()
  await owner.getByRole('main').getByRole('link', { name: 'logs', exact: true }).click()
  await expect(log(owner)).toContainText('model saved')
  await expectAccessible(owner)
  await at(owner, '/pods/default/swept-master-0')
  await expect(owner.getByRole('heading', { name: 'There is no pod swept-master-0' })).toBeVisible()
  await expect(log(owner)).toContainText('model saved')
  await weir.weir('kubectl', 'delete', 'pytorchjob', 'swept')
  await at(owner, '/jobs/default/pytorchjobs/swept')
  await expect(owner.getByRole('heading', { name: 'There is no PyTorchJob swept' })).toBeVisible()
  await expect(log(owner)).toContainText('model saved')
  await expectAccessible(owner)
  await picture(owner, 'job-gone')
})
