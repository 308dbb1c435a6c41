import { training } from './jobs'
import { expect, expectAccessible, give, picture, test } from './weir'
import type { Page } from '@playwright/test'

// What each page offers to whom. Whatever the API server would refuse, a page must not ask for: the console would say so.

test.describe.configure({ mode: 'serial' })

const shared = '/jobs/team/pytorchjobs/shared'
const at = (page: Page, path: string) => page.goto(new URL(path, page.url()).href)
const state = (page: Page) => page.getByRole('status').filter({ hasText: /^(Running|Stopped|Waiting|Done)/ })
const onlyLooks = (page: Page) => page.getByText('You may look, and change nothing in team')

test('an owner gives people their roles', async ({ weir }) => {
  await weir.weir('kubectl', 'create', 'namespace', 'team')
  await weir.weir('user', 'add', 'ed', '--no-password', '--role', 'edit:team')
  await weir.weir('user', 'add', 'vi', '--no-password', '--role', 'view:team')
  await weir.weir('user', 'add', 'nobody', '--no-password')
  const job = training('shared', 3000, 1)
  await weir.apply({ ...job, metadata: { ...job.metadata, namespace: 'team' } })
})

test('an editor runs, stops and deletes what is in the namespace', async ({ as }) => {
  const ed = await as('ed')
  await expect(ed).toHaveURL(/ns=team/)
  await expect(ed.getByRole('button', { name: /^team, choose/ })).toBeVisible()
  await ed.getByRole('link', { name: 'Jobs', exact: true }).click()
  await ed.getByRole('link', { name: 'New job' }).click()
  await ed.getByRole('combobox', { name: 'Begin with' }).selectOption({ label: 'An image that has it' })
  await ed.getByRole('combobox', { name: 'Kind' }).selectOption('Job')
  await ed.getByRole('textbox', { name: 'Name', exact: true }).fill('short')
  await ed.getByRole('textbox', { name: 'Namespace' }).fill('team')
  await ed.getByRole('combobox', { name: 'Image' }).fill('busybox')
  await ed.getByRole('textbox', { name: 'Command' }).fill('sleep 600')
  await ed.getByRole('button', { name: 'Run' }).click()
  await expect(ed.getByRole('heading', { name: 'short', level: 1 })).toBeVisible()
  await expect(state(ed)).toContainText('Running')
  await ed.getByRole('button', { name: 'Stop' }).click()
  await ed.getByRole('alertdialog').getByRole('button', { name: 'Stop' }).click()
  await expect(state(ed)).toContainText('Stopped')
  await ed.getByRole('button', { name: 'More' }).click()
  await ed.getByRole('menuitem', { name: 'Delete' }).click()
  await ed.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await expect(ed.getByRole('heading', { name: 'Jobs', level: 1 })).toBeVisible()

  await at(ed, '/pods/team/shared-master-0?view=terminal')
  await ed.getByRole('textbox', { name: 'Terminal input' }).pressSequentially('echo $((6*7))-here\n')
  await expect(ed.getByText('42-here').first()).toBeVisible()

  await ed.getByRole('link', { name: 'Storage' }).click()
  await ed.getByRole('textbox', { name: 'New bucket' }).fill('team-data')
  await ed.getByRole('button', { name: 'Make' }).click()
  await ed.getByRole('link', { name: 'team-data' }).click()
  await give(ed, 'Files to upload', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('epoch 7') })
  await expect(ed.getByRole('row', { name: /notes.txt/ }).getByRole('checkbox')).toBeVisible()
})

test('a viewer looks at everything, and is told why there is nothing to press', async ({ as }) => {
  const vi = await as('vi')
  await expect(vi.getByRole('link', { name: 'shared' })).toBeVisible()
  await vi.getByRole('link', { name: 'Jobs', exact: true }).click()
  await expect(vi.getByRole('row', { name: /shared/ })).toContainText('Running')
  await expect(onlyLooks(vi)).toBeVisible()
  await expect(vi.getByRole('link', { name: 'New job' })).toHaveCount(0)
  await vi.getByRole('link', { name: 'shared' }).click()
  await expect(onlyLooks(vi)).toBeVisible()
  await expect(vi.getByRole('button', { name: /Stop|More/ })).toHaveCount(0)
  await expectAccessible(vi)
  await picture(vi, 'job-viewer')
  for (const [tab, text] of [['Curves', 'loss'], ['Logs', 'Epoch'], ['Events', 'SuccessfulCreatePod'], ['Manifest', 'pytorchReplicaSpecs']] as const) {
    await vi.getByRole('navigation', { name: 'Of this job' }).getByRole('link', { name: tab }).click()
    await expect(vi.getByRole('main').getByText(text).first()).toBeVisible()
    await vi.reload()
    await expect(vi.getByRole('main').getByText(text).first()).toBeVisible()
  }

  await vi.getByRole('link', { name: 'Pods', exact: true }).click()
  await vi.getByRole('row', { name: /shared-master-0/ }).getByRole('link').click()
  await expect(onlyLooks(vi)).toBeVisible()
  await expect(vi.getByRole('button', { name: 'Delete' })).toHaveCount(0)
  await vi.getByRole('navigation', { name: 'Of this pod' }).getByRole('link', { name: 'Terminal' }).click()
  await expect(vi.getByRole('heading', { name: 'You may not open a terminal here' })).toBeVisible()
  await expectAccessible(vi)
  await vi.goBack()
  await expect(vi.getByRole('cell', { name: 'busybox' })).toBeVisible()

  await vi.getByRole('link', { name: 'Storage' }).click()
  await expect(onlyLooks(vi)).toBeVisible()
  await expect(vi.getByRole('button', { name: 'Make' })).toHaveCount(0)
  await vi.getByRole('link', { name: 'team-data' }).click()
  await expect(vi.getByRole('row', { name: /notes.txt/ })).toBeVisible()
  await expect(onlyLooks(vi)).toBeVisible()
  await expect(vi.getByRole('button', { name: /Upload|Delete/ })).toHaveCount(0)
  await expect(vi.getByRole('checkbox')).toHaveCount(0)
  await vi.getByRole('row', { name: /notes.txt/ }).getByRole('link').click()
  await expect(vi.getByText('epoch 7')).toBeVisible()

  await at(vi, '/jobs/new?from=jobs')
  await vi.getByRole('textbox', { name: 'Namespace' }).fill('team')
  await expect(onlyLooks(vi)).toBeVisible()
  await expect(vi.getByRole('button', { name: 'Run' })).toBeDisabled()

  await vi.getByRole('link', { name: 'Machine' }).click()
  await expect(vi.getByText('is for the owners of this weir')).toBeVisible()
  await expect(vi.getByRole('link', { name: 'shared-master-0' })).toBeVisible()
  await expectAccessible(vi)
  await vi.getByRole('link', { name: 'Settings' }).click()
  await expect(vi.getByRole('heading', { name: 'Tokens' })).toBeVisible()
  await expect(vi.getByRole('heading', { name: 'Users' })).toHaveCount(0)
})

test('who has no role is told whom to ask, on every page', async ({ as }) => {
  const nobody = await as('nobody')
  for (const path of ['/', '/jobs', shared, '/pods', '/pods/team/shared-master-0', '/storage', '/images', '/machine', '/jobs/new']) {
    await at(nobody, path)
    await expect(nobody.getByRole('heading', { name: 'You are nobody, and have no role in any namespace' })).toBeVisible()
  }
  await expectAccessible(nobody)
  await picture(nobody, 'no-role')
  await nobody.getByRole('link', { name: 'Settings' }).click()
  await expect(nobody.getByRole('heading', { name: 'Tokens' })).toBeVisible()
})

test('two people look at one job, and each sees what the other does', async ({ as, owner }) => {
  const ed = await as('ed')
  for (const page of [ed, owner]) {
    await at(page, shared)
    await expect(state(page)).toContainText('Running')
  }
  await ed.getByRole('button', { name: 'Stop' }).click()
  await ed.getByRole('alertdialog').getByRole('button', { name: 'Stop' }).click()
  await expect(state(owner)).toContainText('Stopped')
  await expect(owner.getByText('None while the job is stopped.')).toBeVisible()
  await owner.getByRole('button', { name: 'Resume' }).click()
  await expect(state(ed)).toContainText('Running')
  for (const page of [ed, owner]) {
    await page.reload()
    await expect(state(page)).toContainText('Running')
  }
  await owner.getByRole('button', { name: 'More' }).click()
  await owner.getByRole('menuitem', { name: 'Delete' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await expect(ed.getByRole('heading', { name: 'shared has been deleted' })).toBeVisible()
  await expect(ed.getByRole('button', { name: /Stop|Resume|More/ })).toHaveCount(0)
})

test('an owner adds a user, gives a role, and takes both away', async ({ owner, as }) => {
  await at(owner, '/settings?ns=team')
  const button = (name: string) => owner.getByRole('button', { name, exact: true })
  await owner.getByRole('textbox', { name: 'User', exact: true }).fill('ada')
  await owner.getByRole('textbox', { name: 'Groups', exact: true }).fill('team-a')
  await button('Add').click()
  await expect(button('Remove ada')).toBeVisible()

  const ada = await as('ada')
  await expect(ada.getByRole('heading', { name: 'You are ada, and have no role in any namespace' })).toBeVisible()
  await owner.getByRole('textbox', { name: 'Who' }).fill('team-a')
  await owner.getByRole('combobox', { name: 'Is a' }).selectOption('group')
  await owner.getByRole('combobox', { name: 'Role', exact: true }).selectOption({ label: 'admin: give roles, too' })
  await button('Give').click()
  await expect(button('Take admin from team-a')).toBeVisible()
  await button('Password of ada').click()
  await owner.getByLabel('New password of ada').fill('correct horse battery')
  await expectAccessible(owner)
  await button('Set').click()
  await expect(owner.getByLabel('New password of ada')).toHaveCount(0)
  await expectAccessible(owner)
  await picture(owner, 'settings')

  // She is an admin now, and gives roles herself; users are not hers.
  await ada.getByRole('button', { name: 'Look again' }).click()
  await ada.getByRole('link', { name: 'Settings' }).click()
  await expect(ada.getByRole('heading', { name: 'Roles' })).toBeVisible()
  await expect(ada.getByRole('heading', { name: 'Users' })).toHaveCount(0)
  await ada.getByText('Change the password').click()
  await ada.getByLabel('Old password').fill('correct horse battery')
  await ada.getByLabel('New password').fill('battery horse correct')
  await ada.getByRole('button', { name: 'Set the password' }).click()
  await expect(ada.getByText('The password is changed.')).toBeVisible()
  await ada.getByRole('button', { name: 'Take view from vi' }).click()
  await ada.getByRole('alertdialog').getByRole('button', { name: 'Take' }).click()
  await expect(button('Take view from vi')).toHaveCount(0)

  await owner.getByRole('textbox', { name: 'Groups of vi' }).fill('team-b')
  await button('Change').click()
  await expect(button('Change')).toHaveCount(0)
  await button('Remove ada').click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click()
  await expect(button('Remove ada')).toHaveCount(0)
  await expect(ada.getByRole('heading', { name: 'Sign in to weir' })).toBeVisible()
})
