import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test as base, expect, type Browser, type Locator, type Page } from '@playwright/test'

const run = promisify(execFile)
const binary = process.env.WEIR_BINARY ?? join(import.meta.dirname, '../../bin/weir')

/** A Weir is one that runs, in a folder of its own. */
export class Weir {
  readonly dir = mkdtempSync(join(tmpdir(), 'weir-pages-'))

  async weir(...args: string[]): Promise<string> {
    const { stdout } = await run(binary, ['--dir', this.dir, ...args], { timeout: 120_000 })
    return stdout
  }

  /** told is weir with something on its standard input. */
  async told(input: string, ...args: string[]) {
    const child = run(binary, ['--dir', this.dir, ...args], { timeout: 120_000 })
    child.child.stdin?.end(input)
    await child
  }

  /** apply writes an object as a person with kubectl does. */
  apply = (object: object) => this.told(JSON.stringify(object), 'kubectl', 'apply', '-f', '-')

  /** put writes a file into a bucket, as whoever is signed in on a page. The bucket is made if need be. */
  async put(page: Page, bucket: string, key: string, data: Buffer) {
    const origin = new URL(page.url()).origin
    for (const [path, body] of [[bucket, Buffer.alloc(0)], [`${bucket}/${key}`, data]] as const) {
      const answer = await page.request.put(`${origin}/weir/s3/${path}`, { data: body, headers: { Origin: origin } })
      if (!answer.ok() && answer.status() !== 409) throw new Error(`${path}: ${answer.status()} ${await answer.text()}`)
    }
  }

  async link(user = 'owner') {
    return /https?:\S+/.exec(await this.weir('link', '--user', user))?.[0] ?? ''
  }
}

/**
 * test starts a weir once, and gives each test a page on which its owner is signed in, and as, which opens one in a browser of another user's.
 * A page must end without a word on its console.
 */
export const test = base.extend<{ owner: Page; as: (user: string) => Promise<Page> }, { weir: Weir }>({
  weir: [
    async ({}, use) => {
      const weir = new Weir()
      await weir.weir('up', '--detach')
      try {
        await use(weir)
      } finally {
        await weir.weir('down')
        rmSync(weir.dir, { recursive: true, force: true })
      }
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  owner: async ({ weir, page }, use) => {
    const expectSilence = listen(page)
    await page.goto(await weir.link())
    await expect(page.getByRole('navigation', { name: 'Areas' })).toBeVisible()
    await use(page)
    expectSilence()
  },
  as: async ({ weir, browser }, use) => {
    const all: { page: Page; expectSilence: () => void }[] = []
    await use(async (user) => {
      const page = await signIn(browser, await weir.link(user))
      all.push(page)
      return page.page
    })
    for (const { page, expectSilence } of all) {
      expectSilence()
      await page.context().close()
    }
  },
})

/** signIn opens a page in a browser of its own, as whom a link signs in. Of answers that a test makes, the browser may say what but allows. */
export async function signIn(browser: Browser, link: string, but?: RegExp) {
  const page = await (await browser.newContext()).newPage()
  const expectSilence = listen(page, but)
  await page.goto(link)
  await expect(page.getByRole('navigation', { name: 'Areas' })).toBeVisible()
  return { page, expectSilence }
}

/** listen hears what a page says on its console, and returns a check that it said nothing. */
function listen(page: Page, but?: RegExp) {
  const said: string[] = []
  page.on('console', (m) => { if ((m.type() === 'error' || m.type() === 'warning') && !refused.test(m.text()) && !but?.test(m.text())) said.push(`${m.text()} ${m.location().url}`) })
  page.on('pageerror', (e) => said.push(e.message))
  return () => expect(said, 'the console stays silent').toEqual([])
}

// The browser writes down each answer that is none. That a manifest makes no sense is one that is asked for, as is that a file is empty; that one is signed out is told so.
// So is a watch that is asked for in the moment in which its person is signed out.
const refused = /status of (401|416|422)|WebSocket connection to .* failed: (HTTP Authentication failed|Connection closed before receiving a handshake response)/

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** expectAccessible has axe look at a page, in light and dark. */
export async function expectAccessible(page: Page, schemes: readonly ('light' | 'dark')[] = ['light', 'dark']) {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme })
    const found = await page.evaluate(async (source) => {
      const w = window as unknown as { axe?: { run: () => Promise<{ violations: { id: string; nodes: { target: unknown[]; failureSummary?: string }[] }[] }> } }
      if (!w.axe) new Function(source).call(window)
      return (await w.axe?.run())?.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.failureSummary}`).join('; ')}`)
    }, axe)
    expect(found, `axe, ${colorScheme}`).toEqual([])
  }
  await page.emulateMedia({ colorScheme: 'light' })
}

/** give chooses files where a page takes them, once it knows that one may: until then it takes none. */
export async function give(page: Page, label: string, files: Parameters<Locator['setInputFiles']>[0]) {
  const input = page.getByLabel(label)
  await expect(input).toBeEnabled()
  await input.setInputFiles(files)
}

/** picture keeps a screenshot of a page for docs/pages, if PICTURES is set. */
export async function picture(page: Page, name: string, colorScheme: 'light' | 'dark' = 'light') {
  if (!process.env.PICTURES) return
  await page.emulateMedia({ colorScheme })
  await page.screenshot({ path: join(import.meta.dirname, `../../docs/pages/${name}.png`) })
  await page.emulateMedia({ colorScheme: 'light' })
}

export { expect }
