// Measures the pages as the browser's own tracing has it, and prints what it found
// as JSON: node bench/measure.mjs first|list LINK. Run by `go run ./bench -only pages`.
import { chromium } from '@playwright/test'

const [what, link] = process.argv.slice(2)
const { origin } = new URL(link)
const runs = 5

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] })
const session = await (async () => {
  const context = await browser.newContext()
  await context.request.get(link)
  return context.storageState()
})()

/** traced does something on a page, and returns what the browser traced of it. */
async function traced(page, act) {
  await browser.startTracing(page, { categories: ['devtools.timeline'] })
  await act()
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString())
  return traceEvents
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** first is the first page that somebody sees: from the navigation until it can be used, with nothing kept. */
async function first() {
  const painted = []
  const interactive = []
  let scripts = 0
  for (let i = 0; i < runs; i++) {
    const context = await browser.newContext({ storageState: session }) // with a cache of its own
    const page = await context.newPage()
    await page.addInitScript(() => {
      const looker = new MutationObserver(() => {
        if (!document.querySelector('main h1') || !document.querySelector('nav[aria-label="Areas"] a')) return
        looker.disconnect()
        // What is asked for when a page is idle comes when nothing else waits for the thread.
        requestAnimationFrame(() => setTimeout(() => performance.mark('weir:interactive')))
      })
      looker.observe(document, { childList: true, subtree: true })
    })
    await page.goto(`${origin}/`)
    await page.waitForFunction(() => performance.getEntriesByName('weir:interactive').length > 0)
    // Both are from when the navigation began.
    const at = (name) => page.evaluate((n) => performance.getEntriesByName(n)[0]?.startTime ?? 0, name)
    painted.push(await at('first-contentful-paint'))
    interactive.push(await at('weir:interactive'))
    scripts = await page.evaluate(() => performance.getEntriesByType('resource').filter((r) => new URL(r.name).pathname.endsWith('.js')).reduce((n, r) => n + r.encodedBodySize, 0))
    await context.close()
  }
  return { painted: median(painted), interactive: median(interactive), worst: Math.max(...interactive), scripts, runs }
}

/** list is what one does to a long list of jobs, and how long each takes until it is seen. */
async function list() {
  const context = await browser.newContext({ storageState: session, viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  const began = Date.now()
  await page.goto(`${origin}/jobs`)
  await page.getByRole('button', { name: /^All \d\d,\d{3}/ }).waitFor({ timeout: 120_000 })
  await page.waitForFunction(() => /^All ([1-9]\d,\d{3})/.test(document.querySelector('[aria-label="State"] button')?.textContent ?? ''))
  const read = Date.now() - began
  const search = page.getByRole('searchbox', { name: 'Search jobs' })
  const head = (name) => page.getByRole('columnheader', { name, exact: true }).getByRole('button')
  const steps = {
    'a letter of a search': async () => { await search.focus(); for (const c of 'job-77') { await page.keyboard.press(c); await page.waitForTimeout(300) } for (let i = 0; i < 6; i++) { await page.keyboard.press('Backspace'); await page.waitForTimeout(300) } },
    'a column to sort by': async () => { for (const name of ['Name', 'Made', 'State', 'Name']) { await head(name).click(); await page.waitForTimeout(300) } },
    'a row that is chosen': async () => { for (let i = 1; i < 5; i++) { await page.getByRole('row').nth(i).getByRole('checkbox').click(); await page.waitForTimeout(300) } },
    'all that are chosen': async () => { for (let i = 0; i < 2; i++) { await page.getByRole('checkbox', { name: 'Select all' }).click(); await page.waitForTimeout(300) } },
    'a key that moves': async () => { await page.getByRole('row').nth(3).focus(); for (const key of ['ArrowDown', 'PageDown', 'End', 'Home']) { await page.keyboard.press(key); await page.waitForTimeout(300) } },
    'a state that is asked for': async () => { for (const name of [/^Stopped/, /^All/]) { await page.getByRole('group', { name: 'State' }).getByRole('button', { name }).click(); await page.waitForTimeout(300) } },
  }
  const took = {}
  for (const [name, act] of Object.entries(steps)) {
    const events = await traced(page, act)
    // Each interaction is what the browser calls one: from the input until the next frame is shown.
    const durations = events.filter((e) => e.name === 'EventTiming' && e.args?.data?.interactionId > 0).map((e) => e.args.data.duration)
    took[name] = durations.length > 0 ? { median: median(durations), worst: Math.max(...durations), of: durations.length } : { median: 0, worst: 0, of: 0 }
  }
  await context.close()
  return { read, took }
}

try {
  process.stdout.write(JSON.stringify(what === 'first' ? await first() : await list()))
} finally {
  await browser.close()
}
