import { broken, large, training } from './jobs'
import { expect, expectAccessible, picture, test } from './weir'

test.describe.configure({ mode: 'serial' })

test('a stranger is asked to sign in', async ({ weir, page }) => {
  const link = new URL(await weir.link())
  await page.goto(`${link.origin}/jobs`)
  await expect(page.getByRole('heading', { name: 'Sign in to weir' })).toBeVisible()
  await expectAccessible(page)
  await picture(page, 'sign-in')
})

test('an empty house says what it is for', async ({ owner }) => {
  await expect(owner.getByRole('heading', { name: 'Train a model' })).toBeVisible()
  await expect(owner.getByRole('button', { name: /^Run / }).first()).toBeEnabled()
  await expectAccessible(owner)
  await picture(owner, 'home-empty')
  await owner.getByRole('link', { name: 'Jobs' }).click()
  await expect(owner.getByRole('heading', { name: 'No jobs yet' })).toBeVisible()
})

test('a job that somebody makes elsewhere appears, and goes on under one’s eyes', async ({ weir, owner }) => {
  await owner.getByRole('link', { name: 'Jobs' }).click()
  await weir.apply(training('walk', 30, 1))
  await weir.apply(broken('broken'))
  await weir.apply(large('large'))
  const row = (name: string) => owner.getByRole('row', { name: new RegExp(`\\b${name}\\b`) })
  await expect(row('walk')).toContainText('Running')
  await expect(row('broken')).toContainText('Failed')
  await expect(row('large')).toContainText('Waiting')
  await expect(row('walk')).toContainText(/epoch \d+ of 30/)
  await expectAccessible(owner)
  await picture(owner, 'jobs')
  await picture(owner, 'jobs-dark', 'dark')

  // What is looked at stands in the address, and survives the back button.
  await owner.getByRole('group', { name: 'State' }).getByRole('button', { name: /Failed/ }).click()
  await expect(row('walk')).toHaveCount(0)
  await expect(owner).toHaveURL(/state=failed/)
  await row('broken').click()
  await expect(owner.getByRole('heading', { name: 'broken', level: 1 })).toBeVisible()
  await owner.goBack()
  await expect(owner).toHaveURL(/state=failed/)
  await expect(row('broken')).toBeVisible()
})

test('a job’s page tells how it fares', async ({ owner }) => {
  await owner.goto(new URL('/jobs/default/pytorchjobs/walk', owner.url()).href)
  await expect(owner.getByRole('status').filter({ hasText: /Running|Done/ })).toBeVisible()
  await expect(owner.getByRole('table').getByText('master-0')).toBeVisible()
  await expect(owner.getByRole('img', { name: /master-0: / })).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'job')

  const tabs = owner.getByRole('navigation', { name: 'Of this job' })
  await tabs.getByRole('link', { name: 'Logs' }).click()
  const log = owner.getByRole('log')
  await expect(log).toContainText('model saved')
  await owner.getByRole('searchbox', { name: 'Search the logs' }).fill('loss: 0.9')
  await expect(owner.getByRole('status').filter({ hasText: 'of 9 matches' })).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'job-logs')

  await tabs.getByRole('link', { name: 'Events' }).click()
  await expect(owner.getByText('SuccessfulCreatePod').first()).toBeVisible()
  await expectAccessible(owner)

  await tabs.getByRole('link', { name: 'Manifest' }).click()
  await expect(owner.getByText('pytorchReplicaSpecs')).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'job-manifest')
})

test('home says what waits, has failed and is done', async ({ owner }) => {
  await expect(owner.getByRole('heading', { name: 'Waits or has failed: 2' })).toBeVisible()
  await expect(owner.getByText('Finished', { exact: true })).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'home')
  await owner.setViewportSize({ width: 390, height: 800 })
  await expectAccessible(owner)
  await picture(owner, 'home-phone', 'dark')
})

test('the palette finds a job by a few letters', async ({ owner }) => {
  await owner.keyboard.press('Control+k')
  await owner.getByRole('combobox', { name: 'Find anything' }).fill('wal')
  await expect(owner.getByRole('option', { name: /walk/ })).toBeVisible()
  await owner.keyboard.press('Enter')
  await expect(owner.getByRole('heading', { name: 'walk', level: 1 })).toBeVisible()
})

test('a job is stopped, resumed and deleted, and its page says so', async ({ weir, owner }) => {
  await weir.apply(training('long', 60, 5))
  await owner.goto(new URL('/jobs/default/pytorchjobs/long', owner.url()).href)
  const state = owner.getByRole('status').filter({ hasText: /Running|Stopped|Waiting/ })
  await expect(state).toContainText('Running')
  await owner.getByRole('button', { name: 'Stop' }).click()
  const question = owner.getByRole('alertdialog')
  await expect(question).toContainText('Its 1 replica end')
  await question.getByRole('button', { name: 'Stop' }).click()
  await expect(state).toContainText('Stopped')
  await owner.getByRole('button', { name: 'Resume' }).click()
  await expect(state).toContainText('Running')
  await owner.getByRole('button', { name: 'More' }).click()
  await owner.getByRole('menuitem', { name: 'Delete' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await expect(owner.getByRole('heading', { name: 'Jobs', level: 1 })).toBeVisible()
  await owner.goBack()
  await expect(owner.getByRole('heading', { name: /There is no PyTorchJob long|long has been deleted/ })).toBeVisible()
})
