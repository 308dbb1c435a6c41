import { join } from 'node:path'
import type { Browser, Page, Route } from '@playwright/test'
import { training } from './jobs'
import { expect, expectAccessible, signIn, test, type Weir } from './weir'

// Every page in each of its states: with nothing to show, while it waits, when it is refused or told of a failure, and of what has gone. The answers are
// made up here. What pages show when all is well, and to whom, is told by the other stories.

test.describe.configure({ mode: 'serial' })
test.use({ trace: 'off' }) // It takes as long as all else, and each page says what it shows.

type State = 'empty' | 'slow' | 'failed' | 'refused' | 'gone'

interface Place {
  path: string
  heading: string
  /** What the page says in each state that it can be in. */
  says: Partial<Record<State, string>> & { slow: string }
  /** Where another address leads to what has gone. */
  gone?: string
  /** A button that there is none of where what it is for has gone. */
  without?: string
}

const places: Record<string, Place> = {
  home: { path: '/', heading: 'Home', says: { empty: 'Train a model', slow: 'what runs', failed: 'Jobs cannot be read', refused: 'You may not see jobs', gone: 'weir does not find jobs' } },
  jobs: { path: '/jobs', heading: 'Jobs', says: { empty: 'No jobs yet', slow: 'jobs', failed: 'Jobs cannot be read', refused: 'You may not see jobs', gone: 'weir does not find jobs' } },
  job: {
    path: '/jobs/default/pytorchjobs/still', heading: 'still',
    says: { slow: 'still', failed: 'This job cannot be read', refused: 'You may not see this job', gone: 'There is no PyTorchJob still in default' },
  },
  'job-new': {
    path: '/jobs/new?from=script:jobs', heading: 'New job', gone: '/jobs/new?from=again:default/tfjobs/none',
    says: { slow: 'what to begin with', failed: 'the disk is full', refused: 'ada may not do that', gone: 'There is no job default/tfjobs/none to begin with' },
  },
  pods: { path: '/pods', heading: 'Pods', says: { empty: 'No pods', slow: 'pods', failed: 'Pods cannot be read', refused: 'You may not see pods', gone: 'weir does not find pods' } },
  pod: {
    path: '/pods/default/unplaced', heading: 'unplaced',
    says: { slow: 'unplaced', failed: 'This pod cannot be read', refused: 'You may not see this pod', gone: 'There is no pod unplaced in default' },
  },
  storage: {
    path: '/storage', heading: 'Storage', without: 'Make',
    says: { empty: 'There are none. A bucket holds files', slow: 'buckets', failed: 'Buckets cannot be read', refused: 'You may not see buckets', gone: 'Buckets: not on this cluster' },
  },
  folder: {
    path: '/storage?bucket=default-data', heading: 'default-data',
    says: { empty: 'Nothing lies here', slow: 'files', failed: 'Files cannot be read', refused: 'You may not see files', gone: 'Files: not on this cluster' },
  },
  images: {
    path: '/images', heading: 'Images', without: 'Load an archive',
    says: { empty: 'None is built.', slow: 'images', failed: 'Images cannot be read', refused: 'You may not see images', gone: 'Images: not on this cluster' },
  },
  machine: {
    path: '/machine', heading: 'Machine',
    says: { empty: 'No pod runs.', slow: 'the parts', failed: 'The parts cannot be read', refused: 'You may not see the parts', gone: 'The parts: not on this cluster' },
  },
  settings: {
    path: '/settings', heading: 'Settings',
    says: { empty: 'You have none.', slow: 'your tokens', failed: 'Your tokens cannot be read', refused: 'You may not see your tokens' },
  },
}

const refuse = (route: Route, code: number, message: string, reason = '') => route.fulfill({ status: code, json: { kind: 'Status', status: 'Failure', code, reason, message } })

// What there is nothing of, where it is no list of the API server.
const nothing: [RegExp, object | string][] = [
  [/^\/weir\/s3$/, '<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>'],
  [/^\/weir\/s3\//, '<ListBucketResult/>'],
  [/^\/weir\/environments$/, { catalogue: [], built: [] }],
  [/^\/weir\/machine$/, { version: 'v0', parts: [] }],
  [/^\/weir\/machine\/space$/, { size: 1, free: 1, parts: [] }],
]

const answers: Record<State, (route: Route, path: string) => Promise<void>> = {
  empty: (route, path) => {
    const found = nothing.find(([of]) => of.test(path))?.[1] ?? { items: [], metadata: { resourceVersion: '1' } }
    return typeof found === 'string' ? route.fulfill({ body: found }) : route.fulfill({ json: found })
  },
  slow: () => new Promise(() => undefined),
  failed: (route) => refuse(route, 500, 'the disk is full', 'InternalError'),
  refused: (route) => refuse(route, 403, 'ada may not do that', 'Forbidden'),
  // As beside a cluster without what weir brings, and of a name that nothing has.
  gone: (route, path) =>
    path.startsWith('/weir/') ? route.continue({ url: new URL('/weir/no-such-place', route.request().url()).href })
    : route.request().url().includes('fieldSelector=metadata.name') ? answers.empty(route, path) : refuse(route, 404, 'the server could not find the requested resource', 'NotFound'),
}

/** as has whatever a page asks for answered as in a state, but for who one is and what one may do. */
async function as(page: Page, state: State) {
  await page.routeWebSocket(/watch=1/, () => undefined)
  await page.route(/\/(api|apis|weir)\//, (route) => {
    const { pathname } = new URL(route.request().url())
    return pathname.endsWith('selfsubjectrulesreviews') ? route.continue() : answers[state](route, pathname)
  })
}

// Pictures of a page's states, which stand on one sheet.
const pictures: Record<string, [string, Buffer][]> = {}
async function keep(page: Page, place: string, state: string) {
  if (process.env.PICTURES) (pictures[place] ??= []).push([state, await page.screenshot()])
}

/** expectWell looks at how a page is laid out, also on a phone, and whether everybody can use it. */
async function expectWell(page: Page, place: string, state: string) {
  await expectAccessible(page, state === 'failed' ? ['light', 'dark'] : ['light']) // which has all colours
  await keep(page, place, state)
  await page.setViewportSize({ width: 390, height: 800 })
  const sideways = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  await expect.poll(sideways, `${place}, ${state}: what sticks out on a phone`).toBeLessThanOrEqual(0)
  if (state === 'failed') await keep(page, place, 'failed, on a phone')
  await page.setViewportSize({ width: 1280, height: 800 })
}

const answered = /the server responded with a status of (403|404|500)/
const open = async (browser: Browser, weir: Weir) => {
  const { page, expectSilence } = await signIn(browser, await weir.link(), answered)
  const { origin } = new URL(page.url())
  return { page, go: (path: string) => page.goto(origin + path), end: async () => { expectSilence(); await page.context().close() } }
}

test.beforeAll(async ({ weir }) => {
  const job = training('still', 1, 0)
  await weir.apply({ ...job, spec: { ...job.spec, runPolicy: { suspend: true } } })
  await weir.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'unplaced', namespace: 'default' }, spec: { schedulerName: 'nobody', containers: [{ name: 'main', image: 'busybox' }] } })
})

for (const state of ['empty', 'failed', 'refused', 'gone'] as const)
  test(`pages say what they are to when ${{ empty: 'there is nothing', failed: 'it fails', refused: 'one may not', gone: 'it has gone' }[state]}`, async ({ weir, browser }) => {
    const { page, go, end } = await open(browser, weir)
    for (const [name, place] of Object.entries(places)) {
      const text = place.says[state]
      if (!text) continue
      await as(page, state)
      await go((state === 'gone' && place.gone) || place.path)
      await expect(page.getByRole('heading', { name: place.heading, level: 1, exact: true })).toBeVisible()
      const said = page.getByRole('main').getByText(text).first()
      await expect(said).toBeVisible()
      if (state === 'gone' && place.without) await expect(page.getByRole('button', { name: place.without })).toHaveCount(0)
      if (process.env.PICTURES) await said.scrollIntoViewIfNeeded()
      await expectWell(page, name, state)
      await page.unrouteAll({ behavior: 'ignoreErrors' })
      if (state !== 'failed' || name === 'job-new') continue
      // What failed is shown once it does not, at a click or by itself.
      for (const again of (await page.getByRole('button', { name: 'Try again' }).all()).reverse()) await again.click({ timeout: 1000 }).catch(() => undefined)
      await expect(said).toHaveCount(0)
    }
    await end()
  })

test('pages that wait show so, and say when it takes long', async ({ weir, browser }) => {
  const { page, go, end } = await open(browser, weir)
  await page.clock.install()
  await as(page, 'slow')
  for (const [name, place] of Object.entries(places)) {
    await go(place.path)
    await expect(page.getByRole('status').filter({ hasText: new RegExp(`^Reading ${place.says.slow}$`) })).toBeAttached()
    await page.clock.fastForward(5000)
    await expect(page.getByText(`Reading ${place.says.slow} takes longer than usual.`)).toBeVisible()
    await expectWell(page, name, 'slow')
  }
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await end()
})

test('who signs in is told why it does not work', async ({ weir, browser }) => {
  const page = await (await browser.newContext()).newPage()
  const { origin } = new URL(await weir.link())
  const told = page.getByRole('alert')
  for (const [problem, text] of [['link', 'This link has been used, or is too old'], ['unreachable', 'The provider does not answer weir'], ['provider', 'the provider did not let you in']] as const) {
    await page.goto(`${origin}/sign-in?problem=${problem}`)
    await expect(told).toContainText(text)
    await expectWell(page, 'sign-in', problem)
  }
  await page.goto(`${origin}/jobs`)
  await expect(page.getByRole('heading', { name: 'Sign in to weir' })).toBeVisible()
  const signs = async () => {
    await page.getByRole('textbox', { name: 'Name' }).fill('nobody')
    await page.getByRole('textbox', { name: 'Password' }).fill('wrong')
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await signs()
  await expect(page.getByText('password')).not.toHaveCount(0)
  await expect(page.getByRole('textbox', { name: 'Password' })).toHaveAccessibleDescription(/nobody|wrong|password/)
  await expectWell(page, 'sign-in', 'refused')
  await page.route('**/session', (route) => route.abort())
  await signs()
  await expect(page.getByRole('textbox', { name: 'Password' })).toHaveAccessibleDescription(/weir does not answer/)
  await expectWell(page, 'sign-in', 'no answer')
  await page.context().close()
})

test('a TensorBoard and files that are not there say so', async ({ weir, browser }) => {
  const { page, go, end } = await open(browser, weir)
  await go('/tensorboard/default/none/')
  await expect(page.getByRole('heading', { name: 'There is no TensorBoard none in default' })).toBeVisible()
  await expectWell(page, 'tensorboard', 'gone')

  // A pod that runs on another cluster, whose door leads to no files.
  const pod = {
    metadata: { name: 'elsewhere', namespace: 'default', uid: 'u', resourceVersion: '1' }, spec: { nodeName: 'another', containers: [{ name: 'main', image: 'busybox' }] },
    status: { phase: 'Running', containerStatuses: [{ name: 'main', restartCount: 0, state: { running: { startedAt: '2027-01-01T00:00:00Z' } } }] },
  }
  await page.routeWebSocket(/watch=1/, () => undefined)
  await page.route(/\/pods\?.*metadata.name/, (route) => route.fulfill({ json: { items: [pod], metadata: { resourceVersion: '1' } } }))
  await page.route('**/weir/files/**', (route) => answers.gone(route, '/weir/files'))
  await go('/pods/default/elsewhere?view=files')
  await expect(page.getByRole('heading', { name: 'The files: not on this cluster' })).toBeVisible()
  await expect(page.getByText('They are there where weir runs the cluster itself')).toBeVisible()
  await expectWell(page, 'pod', 'files elsewhere')
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await end()
})

test('each page is the same after a reload, and on the way back', async ({ owner, weir }) => {
  const area = (name: string) => () => owner.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name, exact: true }).click()
  const tab = (name: string) => () => owner.getByRole('navigation', { name: /^Of this/ }).getByRole('link', { name, exact: true }).click()
  const link = (name: string) => () => owner.getByRole('main').getByRole('link', { name, exact: true }).first().click()
  const steps: [() => Promise<void>, path: string, heading: string][] = [
    [area('Jobs'), '/jobs', 'Jobs'], [link('still'), '/jobs/default/pytorchjobs/still', 'still'],
    ...['Curves', 'Logs', 'Events', 'Manifest'].map((name): (typeof steps)[number] => [tab(name), `/jobs/default/pytorchjobs/still/${name.toLowerCase()}`, 'still']),
    [area('Jobs'), '/jobs', 'Jobs'], [link('New job'), '/jobs/new', 'New job'],
    [area('Pods'), '/pods', 'Pods'], [link('unplaced'), '/pods/default/unplaced', 'unplaced'],
    ...['Logs', 'Terminal', 'Files', 'Events'].map((name): (typeof steps)[number] => [tab(name), `/pods/default/unplaced?view=${name.toLowerCase()}`, 'unplaced']),
    [area('Storage'), '/storage', 'Storage'], [area('Images'), '/images', 'Images'], [area('Machine'), '/machine', 'Machine'], [area('Settings'), '/settings', 'Settings'],
  ]
  const { origin } = new URL(owner.url())
  const expectAt = async ([, path, heading]: (typeof steps)[number]) => {
    await expect(owner).toHaveURL(origin + path)
    await expect(owner.getByRole('heading', { name: heading, level: 1, exact: true })).toBeVisible()
    await expect(owner.locator('[aria-busy=true]')).toHaveCount(0)
  }
  for (const step of steps) {
    await step[0]()
    await expectAt(step)
    await owner.reload()
    await expectAt(step)
  }
  for (const step of steps.toReversed().slice(1)) {
    await owner.goBack()
    await expectAt(step)
  }

  // What is looked at while somebody deletes it says so.
  await owner.goto(`${origin}/pods/default/unplaced`)
  await expect(owner.getByRole('heading', { name: 'unplaced', level: 1 })).toBeVisible()
  await weir.weir('kubectl', 'delete', 'pod', 'unplaced', '--now')
  await expect(owner.getByRole('heading', { name: 'unplaced has been deleted' })).toBeVisible()
  await expectAccessible(owner)
})

test('a lost connection is said, and everything catches up by itself', async ({ weir, browser }) => {
  const { page, expectSilence } = await signIn(browser, await weir.link(), /ERR_CONNECTION_(REFUSED|RESET|CLOSED)|ERR_EMPTY_RESPONSE|status of 50[0-9]|WebSocket connection/)
  const row = (name: string) => page.getByRole('row', { name: new RegExp(`\\b${name}\\b`) })
  const area = (name: string) => page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name, exact: true }).click()
  const lost = page.getByText('The connection is lost. What you see is from before; it catches up by itself.')
  await area('Jobs')
  await expect(row('still')).toContainText('Stopped')
  await expect(lost).toHaveCount(0)
  await page.waitForTimeout(2500) // Pages are read meanwhile that nobody has opened.

  await weir.weir('down')
  await expect(lost).toBeVisible()
  await expect(row('still')).toContainText('Stopped')
  await expectWell(page, 'lost', 'what was there stays')
  await area('Storage')
  await expect(page.getByRole('heading', { name: 'weir does not answer' })).toHaveCount(2)
  await expectWell(page, 'lost', 'what was not there')

  await weir.weir('up', '--detach')
  const job = training('later', 1, 0)
  await weir.apply({ ...job, spec: { ...job.spec, runPolicy: { suspend: true } } })
  await expect(page.getByText('There are none. A bucket holds files')).toBeVisible()
  await area('Jobs')
  await expect(row('later')).toContainText('Stopped')
  await expect(lost).toHaveCount(0)
  expectSilence()
  await page.context().close()
})

if (process.env.PICTURES) test('pictures of all states are kept', async ({ browser }) => {
  for (const [place, shots] of Object.entries(pictures)) {
    const page = await browser.newPage({ viewport: { width: 1320, height: 100 } })
    await page.setContent(`<body style="margin:0;padding:12px;font:15px system-ui;display:grid;grid-template-columns:1fr 1fr;gap:12px;background:#ddd">${
      shots.map(([state, shot]) => `<figure style="margin:0"><figcaption>${place}: ${state}</figcaption><img style="max-width:100%;max-height:404px" src="data:image/png;base64,${shot.toString('base64')}"></figure>`).join('')}`)
    await page.screenshot({ path: join(import.meta.dirname, `../../docs/pages/states-${place}.png`), fullPage: true })
    await page.close()
  }
})
