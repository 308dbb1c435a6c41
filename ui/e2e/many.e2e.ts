import { expect, expectAccessible, test } from './weir'
import type { Page } from '@playwright/test'

// What pages do with very much: the answers are made up here, since nothing else could make so many in a test.

const states = ['Complete', 'Failed', 'Suspended', 'Running'] as const

const madeUp = (i: number) => {
  const type = states[i % states.length] ?? 'Running'
  const at = new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString()
  return {
    metadata: { name: `job-${String(i).padStart(5, '0')}`, namespace: `team-${i % 7}`, uid: `u${i}`, resourceVersion: String(i + 1), creationTimestamp: at },
    spec: { template: { spec: { containers: [{ name: 'main', image: 'busybox' }] } } },
    status: type === 'Running' ? { active: 1, ready: 1, startTime: at } : { startTime: at, conditions: [{ type, status: 'True', lastTransitionTime: at, message: `It is ${type.toLowerCase()}` }] },
  }
}

/** manyJobs has the API server answer with so many Jobs, page by page, and returns how to tell of a change. */
async function manyJobs(page: Page, count: number) {
  const jobs = Array.from({ length: count }, (_, i) => madeUp(i))
  let tell: (change: object) => void = () => undefined
  await page.routeWebSocket(/\/apis\/batch\/v1\/jobs\?/, (ws) => { tell = (change) => ws.send(JSON.stringify(change)) })
  await page.route(/\/apis\/batch\/v1\/jobs\?/, async (route) => {
    const query = new URL(route.request().url()).searchParams
    const from = Number(query.get('continue') ?? 0)
    const to = from + Number(query.get('limit'))
    await route.fulfill({ json: { items: jobs.slice(from, to), metadata: { resourceVersion: String(count), ...(to < count && { continue: String(to) }) } } })
  })
  return (change: object) => tell(change)
}

test('ten thousand jobs are searched, sorted, grouped and chosen from', async ({ owner }) => {
  const tell = await manyJobs(owner, 10_000)
  await owner.goto(new URL('/jobs', owner.url()).href)
  const shown = owner.getByRole('row')
  const first = shown.nth(1)
  await expect(owner.getByRole('button', { name: 'All 10,000' })).toBeVisible()
  await expect(owner.getByRole('table')).toHaveAttribute('aria-rowcount', '10001')
  expect(await shown.count(), 'rows that exist').toBeLessThan(80)

  await owner.getByRole('searchbox', { name: 'Search jobs' }).fill('job-0777')
  await expect(owner.getByRole('table')).toHaveAttribute('aria-rowcount', '11')
  await owner.getByRole('searchbox', { name: 'Search jobs' }).fill('')
  await owner.getByRole('columnheader', { name: 'Name', exact: true }).getByRole('button').click()
  await expect(first).toContainText('job-00000')
  await owner.getByRole('combobox', { name: 'Group' }).selectOption('namespace')
  await expect(shown.filter({ hasText: /^team-/ }).first()).toBeVisible()
  await owner.getByRole('combobox', { name: 'Group' }).selectOption('')
  await first.focus()
  await owner.keyboard.press('End')
  await expect(shown.filter({ hasText: 'job-09999' })).toBeFocused()
  await owner.keyboard.press('Home')

  // What changes meanwhile is seen, and nothing else moves.
  const changed = madeUp(0)
  tell({ type: 'MODIFIED', object: { ...changed, metadata: { ...changed.metadata, resourceVersion: '20000' }, status: { active: 1, ready: 1, startTime: changed.metadata.creationTimestamp } } })
  await expect(first).toContainText('Running')
  await expectAccessible(owner)
})

test('one chooses columns, which stand in the address and are known the next time', async ({ owner }) => {
  await manyJobs(owner, 20)
  await owner.goto(new URL('/jobs', owner.url()).href)
  const head = (name: string) => owner.getByRole('columnheader', { name, exact: true })
  await expect(head('Kind')).toBeVisible()
  await owner.getByRole('button', { name: 'Columns' }).click()
  await owner.getByRole('menuitemcheckbox', { name: 'Kind' }).click()
  await owner.getByRole('menuitemcheckbox', { name: 'Replicas' }).click()
  await owner.keyboard.press('Escape')
  await expect(head('Kind')).toHaveCount(0)
  await expect(owner).toHaveURL(/columns=state%2Cname%2Cnamespace/)
  await owner.goto(new URL('/jobs', owner.url()).href)
  await expect(head('Name')).toBeVisible()
  await expect(head('Kind')).toHaveCount(0)
  await owner.goto(new URL('/jobs?columns=kind', owner.url()).href)
  await expect(head('Kind')).toBeVisible()
  await expect(head('Namespace')).toHaveCount(0)
})

test('a million lines of a log are read, searched and gone through', async ({ owner }) => {
  const lines = 1_000_000
  const started = '2026-01-01T00:00:00Z'
  const pod = {
    metadata: { name: 'talks', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: started },
    spec: { containers: [{ name: 'main', image: 'busybox' }] },
    status: { phase: 'Running', containerStatuses: [{ name: 'main', ready: true, restartCount: 0, state: { running: { startedAt: started } } }] },
  }
  await owner.route(/\/namespaces\/default\/pods\?.*metadata.name/, (route) => route.fulfill({ json: { items: [pod], metadata: { resourceVersion: '1' } } }))
  await owner.routeWebSocket(/\/namespaces\/default\/pods\?/, () => undefined)
  await owner.routeWebSocket(/\/pods\/talks\/log/, (ws) => {
    for (let from = 0; from < lines; from += 10_000) {
      let chunk = ''
      for (let i = from; i < from + 10_000; i++) {
        const at = String(i).padStart(9, '0')
        chunk += `2026-01-01T00:00:00.${at}Z step ${i}/${lines} - loss: 0.${at}${i === 654_321 ? ' ValueError: here' : ''}\n`
      }
      ws.send(Buffer.from(chunk))
    }
  })
  await owner.goto(new URL('/pods/default/talks?view=logs', owner.url()).href)
  const log = owner.getByRole('log')
  await expect(owner.getByText('1,000,000 lines')).toBeVisible()
  await expect(log).toContainText('step 999999/')
  expect(await log.locator('[data-index]').count(), 'lines that exist').toBeLessThan(200)

  await owner.getByRole('button', { name: 'First error' }).click()
  await expect(log.getByText('ValueError: here')).toBeVisible()
  await owner.getByRole('searchbox', { name: 'Search the logs' }).fill('step 1234')
  await expect(owner.getByRole('status').filter({ hasText: /^111 matches/ })).toBeVisible() // 1234, 1234x, 1234xx
  await owner.keyboard.press('Enter')
  await expect(log.getByText('step 1234/')).toBeVisible()

  // To scroll is to see what is there, at once.
  const longest = await owner.evaluate(async () => {
    const box = document.querySelector('[role=log]')
    let longest = 0
    for (let i = 1; box && i <= 20; i++) {
      const began = performance.now()
      box.scrollTop = (box.scrollHeight / 21) * i
      await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))
      longest = Math.max(longest, performance.now() - began)
    }
    return longest
  })
  expect(longest, 'ms of the slowest of twenty leaps').toBeLessThan(1000) // 20 to 40 where nothing else runs
})
