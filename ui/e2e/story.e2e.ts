import { broken, large, training } from './jobs'
import { expect, expectAccessible, give, picture, test } from './weir'

test.describe.configure({ mode: 'serial' })

test('a stranger is asked to sign in', async ({ weir, page }) => {
  const link = new URL(await weir.link())
  let asked = 0
  page.on('request', (r) => { if (r.url().endsWith('/session')) asked++ })
  await page.goto(`${link.origin}/jobs`)
  await expect(page.getByRole('heading', { name: 'Sign in to weir' })).toBeVisible()
  await expectAccessible(page)
  expect(asked, 'times that the page asked who is signed in').toBe(1)
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
  await expect(owner.getByRole('cell', { name: 'master-0', exact: true })).toBeVisible()
  await expect(owner.getByRole('img', { name: /master-0: Finding a place .*, Environment .*, Container .*, Program starts .*, Trains / })).toBeVisible()
  await expectAccessible(owner)
  if (process.env.PICTURES) await expect(owner.getByRole('meter', { name: 'CPU used of what is asked for' }).or(owner.getByText(/^Done$/)).first()).toBeVisible()
  await picture(owner, 'job')

  const tabs = owner.getByRole('navigation', { name: 'Of this job' })
  await tabs.getByRole('link', { name: 'Logs' }).click()
  const log = owner.getByRole('log')
  await expect(log).toContainText('model saved')
  await owner.getByRole('searchbox', { name: 'Search the logs' }).fill('loss: 0.9')
  await expect(owner.getByRole('status').filter({ hasText: /^9 matches/ })).toBeVisible()
  await owner.keyboard.press('Enter')
  await expect(owner.getByRole('status').filter({ hasText: '1 of 9 matches' })).toBeVisible()
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
  await expect(owner.getByRole('option', { name: /walk.*PyTorchJob/ })).toBeVisible()
  await owner.keyboard.press('Enter')
  await expect(owner.getByRole('heading', { name: 'walk', level: 1 })).toBeVisible()
})

test('a new job is written in a form, checked, and run', async ({ owner }) => {
  await owner.goto(new URL('/jobs/new?from=jobs', owner.url()).href)
  const name = owner.getByRole('textbox', { name: 'Name', exact: true })
  const said = (text: RegExp) => owner.getByRole('status').filter({ hasText: text })
  await expect(said(/takes it as it is/)).toBeVisible()

  // What is wrong stands at its field, and in words.
  await name.fill('No Name')
  await expect(owner.getByRole('alert').filter({ hasText: 'metadata.name' })).toBeVisible()
  await name.fill('mine')
  await expect(said(/takes it as it is/)).toBeVisible()

  // The form changes the YAML, and the YAML the form.
  const image = owner.getByRole('combobox', { name: 'Image' })
  await image.fill('busybox')
  const yaml = owner.getByRole('textbox', { name: 'Manifest' })
  await expect(yaml).toContainText('image: busybox')
  await owner.getByRole('textbox', { name: 'Command' }).fill(`sh -c 'echo "loss: 0.5"'`)
  await expect(yaml).toContainText('echo "loss: 0.5"')
  await yaml.getByText('name: mine', { exact: true }).click()
  await owner.keyboard.press('End')
  await owner.keyboard.type('-own')
  await expect(name).toHaveValue('mine-own')
  await expectAccessible(owner)
  await picture(owner, 'job-new')
  await owner.getByRole('button', { name: 'Run' }).click()
  await expect(owner.getByRole('heading', { name: 'mine-own', level: 1 })).toBeVisible()
  await expect(owner.getByRole('status').filter({ hasText: 'Done' })).toBeVisible()
})

test('a job is stopped, resumed and deleted, and its page says so', async ({ weir, owner }) => {
  await weir.apply(training('long', 600, 2))
  await owner.goto(new URL('/jobs/default/pytorchjobs/long', owner.url()).href)
  const state = owner.getByRole('status').filter({ hasText: /Running|Stopped|Waiting/ })
  await expect(state).toContainText('Running')
  await owner.getByRole('button', { name: 'Stop' }).click()
  const question = owner.getByRole('alertdialog')
  await expect(question).toContainText('Its 1 replica end')
  await question.getByRole('button', { name: 'Stop' }).click()
  await expect(state).toContainText('Stopped')
  await expect(owner.getByText('None while the job is stopped.')).toBeVisible()
  await owner.getByRole('button', { name: 'Resume' }).click()
  await expect(state).toContainText('Running')

  // What it uses stands beside what it asks for.
  const resources = owner.locator('section').filter({ has: owner.getByRole('heading', { name: 'Resources' }) })
  await expect(resources.getByRole('meter', { name: 'CPU used of what is asked for' })).toBeVisible()
  await expect(resources).toContainText(/cores used.*0\.1 cores asked for.*B used.*67\.1 MB asked for/)

  // Its pod has a terminal, which is a shell in it.
  await owner.getByRole('link', { name: 'long-master-0' }).click()
  await expect(owner.getByRole('cell', { name: 'busybox' })).toBeVisible()
  await expectAccessible(owner)
  await owner.getByRole('navigation', { name: 'Of this pod' }).getByRole('link', { name: 'Terminal' }).click()
  const terminal = owner.getByRole('textbox', { name: 'Terminal input' })
  await terminal.pressSequentially('echo $((6*7))-here\n')
  await expect(owner.getByText('42-here').first()).toBeVisible()
  await picture(owner, 'pod-terminal')
  await owner.getByRole('link', { name: 'Pods', exact: true }).first().click()
  await expect(owner.getByRole('row', { name: /long-master-0.*PyTorchJob long/ })).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'pods')
  await owner.goto(new URL('/jobs/default/pytorchjobs/long', owner.url()).href)

  await owner.getByRole('button', { name: 'More' }).click()
  await owner.getByRole('menuitem', { name: 'Delete' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await expect(owner.getByRole('heading', { name: 'Jobs', level: 1 })).toBeVisible()
  await owner.goBack()
  await expect(owner.getByRole('heading', { name: /There is no PyTorchJob long|long has been deleted/ })).toBeVisible()
})

test('a file is put into a bucket, looked at and deleted', async ({ owner }) => {
  await owner.getByRole('link', { name: 'Storage' }).click()
  await owner.getByRole('textbox', { name: 'New bucket' }).fill('models')
  await owner.getByRole('button', { name: 'Make' }).click()
  await owner.getByRole('link', { name: 'models' }).click()
  await expect(owner.getByRole('heading', { name: 'Nothing lies here' })).toBeVisible()
  await give(owner, 'Files to upload', { name: 'notes #1.txt', mimeType: 'text/plain', buffer: Buffer.from('the best one: epoch 7') })
  const row = owner.getByRole('row', { name: /notes #1.txt/ })
  await expect(row).toContainText('21 B')
  await expectAccessible(owner)
  await picture(owner, 'storage')
  await row.getByRole('link').click()
  await expect(owner.getByText('the best one: epoch 7')).toBeVisible()
  await expectAccessible(owner)
  await owner.goBack()
  await row.getByRole('checkbox').check()
  await owner.getByRole('button', { name: 'Delete 1' }).click()
  await expect(owner.getByRole('alertdialog')).toContainText('1 file, 21 B: notes #1.txt')
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await expect(owner.getByRole('heading', { name: 'Nothing lies here' })).toBeVisible()
})

test('the machine says how its parts are, and what is used of it', async ({ owner }) => {
  await owner.getByRole('link', { name: 'Machine' }).click()
  await expect(owner.getByText('node weir', { exact: true })).toBeVisible()
  await expect(owner.getByText('Not healthy')).toHaveCount(0)
  await expect(owner.getByText(/Buckets .*, Volumes .*, Images .*, Environments /)).toBeVisible()
  await expect(owner.getByText('No node offers any to pods')).toBeVisible()
  // By now it has run for some minutes, or says that it has not.
  await expect(owner.getByRole('img', { name: /^Memory over the last hour: .* of / }).or(owner.getByText('for less than three minutes'))).toBeVisible()
  await expectAccessible(owner)
  await picture(owner, 'machine')
  await owner.setViewportSize({ width: 390, height: 800 })
  await expectAccessible(owner)
  await picture(owner, 'machine-phone')
  await owner.setViewportSize({ width: 1280, height: 800 })

  // A part that is down, and an hour that has been.
  await owner.route('**/weir/machine', (route) => route.fulfill({ json: { version: 'v0', parts: [{ name: 'DNS', healthy: false, message: 'It says nothing within 2s.' }] } }))
  await owner.route('**/weir/machine/hour', (route) => route.fulfill({ json: { items: Array.from({ length: 60 }, (_, i) => ({
    at: new Date(Date.now() - (59 - i) * 60_000).toISOString(), cores: 1 + Math.sin(i / 6), memory: (4 + i / 30) * 2 ** 30,
  })) } }))
  await owner.reload()
  await expect(owner.getByRole('img', { name: /^CPU over the last hour: .* at most, of / })).toBeVisible()
  await expect(owner.getByRole('listitem').filter({ hasText: 'DNS' })).toHaveText('Not healthyDNSIt says nothing within 2s.')
  await expectAccessible(owner)
  await owner.unrouteAll({ behavior: 'ignoreErrors' })
})

test('a token is made, works, and is taken back', async ({ owner, request }) => {
  await owner.getByRole('link', { name: 'Settings' }).click()
  await owner.getByRole('textbox', { name: 'Name' }).fill('laptop')
  await owner.getByRole('combobox', { name: 'Rights' }).selectOption('Only read')
  await owner.getByRole('combobox', { name: 'Good for' }).selectOption('The Kubernetes API')
  await owner.getByRole('combobox', { name: 'Lasts' }).selectOption('to a day that I choose')
  await owner.getByLabel('Last day').fill('2099-01-31')
  await owner.getByRole('button', { name: 'Make a token' }).click()
  const secret = (await owner.getByText(/^weir_\w+$/).textContent()) ?? ''
  await expect(owner.getByRole('listitem').filter({ hasText: 'laptop' })).toContainText('The Kubernetes API: only reads')
  await owner.getByRole('button', { name: 'Python, with kubernetes' }).click()
  await expect(owner.getByLabel('To paste')).toContainText(`"Bearer ${secret}"`)
  await expectAccessible(owner)
  await picture(owner, 'settings-token')
  const ask = async () => (await request.get(new URL('/api/v1/namespaces', owner.url()).href, { headers: { Authorization: `Bearer ${secret}` } })).status()
  expect(await ask()).toBe(200)
  await owner.getByRole('button', { name: 'Take back laptop' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Take back' }).click()
  await expect(owner.getByRole('button', { name: 'Take back laptop' })).toHaveCount(0)
  await expect.poll(() => ask().catch(() => 'cut off')).toBe(401) // At first, what is open is closed.
})

test('an address that leads nowhere says so', async ({ owner }) => {
  await owner.goto(new URL('/nowhere', owner.url()).href)
  await expect(owner.getByRole('heading', { name: 'The address leads nowhere' })).toBeVisible()
  await expectAccessible(owner)
})
