import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, expectAccessible, give, picture, test } from './weir'
import type { Page } from '@playwright/test'

// What pods run in: images and environments, what is made of them, who uses them, and who may take them away.

test.describe.configure({ mode: 'serial' })

const open = async (page: Page) => {
  await page.getByRole('link', { name: 'Images', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'Images', level: 1 })).toBeVisible()
}
const row = (page: Page, name: string) => page.getByRole('row', { name: new RegExp(name) })

test('an archive is loaded, and the image removed', async ({ weir, owner }) => {
  const folder = join(weir.dir, 'image')
  mkdirSync(folder)
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY hello /hello\n')
  writeFileSync(join(folder, 'hello'), 'hello\n')
  const archive = join(folder, 'hello.tar')
  await weir.weir('image', 'build', folder, '--tag', 'weir.local/team-i/hello:v1')
  await weir.weir('image', 'save', 'weir.local/team-i/hello:v1', '--output', archive)
  await weir.weir('image', 'remove', 'weir.local/team-i/hello:v1')

  await open(owner)
  await expect(owner.getByText('There are none.')).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'images-empty')
  await give(owner, 'Archive of images', join(folder, 'Dockerfile'))
  await expect(owner.getByRole('alert')).toContainText('The archive was not loaded')
  await give(owner, 'Archive of images', archive)
  await expect(row(owner, 'team-i/hello:v1')).toContainText('no pod')
  await owner.reload()
  await expect(row(owner, 'team-i/hello:v1')).toBeVisible()
})

test('who may only look sees the images of the namespace', async ({ weir, as }) => {
  await weir.weir('kubectl', 'create', 'namespace', 'team-i')
  await weir.weir('user', 'add', 'iris', '--no-password', '--role', 'view:team-i')
  await weir.weir('user', 'add', 'olaf', '--no-password', '--role', 'edit:default')
  const iris = await as('iris')
  await open(iris)
  await expect(row(iris, 'team-i/hello:v1')).toBeVisible()
  await expect(iris.getByRole('button', { name: /^Remove|Load/ })).toHaveCount(0)
  await expect(iris.getByRole('heading', { name: 'Environments are of the whole weir' })).toBeVisible()
  await expectAccessible(iris)
  await picture(iris, 'images-viewer')
  const olaf = await as('olaf')
  await open(olaf)
  await expect(olaf.getByText('There are none of default.')).toBeVisible()
})

test('an environment is seen being built, in use, and is removed', async ({ weir, owner }) => {
  const settings = join(weir.dir, 'weir.yaml')
  writeFileSync(settings, 'environments:\n- image: e2e/tiny\n  packages: [six]\n')
  await weir.weir('environment', 'add', 'e2e/over', '--from', 'weir.local/team-i/hello:v1', '--package', 'six', '--package', 'idna')
  await open(owner)
  await owner.getByRole('searchbox', { name: 'Search the catalogue' }).fill('over')
  await expect(row(owner, 'e2e/over')).toContainText('six, idna over weir.local/team-i/hello:v1')
  await expect(row(owner, 'e2e/over')).toContainText('weir.yaml')
  await owner.getByRole('searchbox', { name: 'Search the catalogue' }).fill('tiny')
  await expect(row(owner, 'e2e/tiny')).toContainText('weir.yaml')
  await weir.apply({
    apiVersion: 'v1', kind: 'Pod', metadata: { name: 'tiny', namespace: 'default' },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: 'e2e/tiny', command: ['python', '-c', 'import six, time; time.sleep(3000)'] }] },
  })
  await expect(owner.getByRole('list', { name: 'What is made for tiny' })).toContainText('e2e/tiny')
  await picture(owner, 'images-building')
  const built = row(owner, 'e2e/tiny 3\\.')
  await expect(built).toContainText('tiny')
  await expect(built).toContainText('in use')
  await expectAccessible(owner)
  await picture(owner, 'images')
  await owner.setViewportSize({ width: 390, height: 800 })
  await expectAccessible(owner)
  await picture(owner, 'images-phone')
  await owner.setViewportSize({ width: 1280, height: 800 })

  await weir.weir('kubectl', 'delete', 'pod', 'tiny', '--now')
  await built.getByRole('button', { name: 'Remove' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click()
  await expect(built).toHaveCount(0)
  await row(owner, 'team-i/hello:v1').getByRole('button', { name: 'Remove' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click()
  await expect(row(owner, 'team-i/hello:v1')).toHaveCount(0)
  await owner.goBack()
  await expect(owner.getByRole('heading', { name: 'Home' })).toBeVisible()
  rmSync(settings)
})
