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
