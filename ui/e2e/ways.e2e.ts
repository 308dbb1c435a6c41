import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobKinds } from '../src/jobs/kinds'
import { training } from './jobs'
import { expect, expectAccessible, test } from './weir'
import type { Page } from '@playwright/test'

// The ways to begin a job: from a script, a repository, the storage, an image, and from an earlier one.

test.describe.configure({ mode: 'serial' })

const open = (page: Page, search: Record<string, string>) => page.goto(new URL(`/jobs/new?${new URLSearchParams(search)}`, page.url()).href)
const box = (page: Page, name: string) => page.getByRole('textbox', { name, exact: true })
const good = (page: Page) => expect(page.getByRole('status').filter({ hasText: 'takes it as it is' })).toBeVisible()
const manifest = (page: Page) => page.getByRole('textbox', { name: 'Manifest' })

async function runs(page: Page, name: string, prints: string) {
  await good(page)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible()
  await expect(page.getByRole('status').filter({ hasText: 'Done' })).toBeVisible()
  await page.getByRole('navigation', { name: 'Of this job' }).getByRole('link', { name: 'Logs' }).click()
  await expect(page.getByRole('log')).toContainText(prints)
}

test('a job of every kind can be begun with, and would be taken', async ({ owner }) => {
  for (const kind of jobKinds) {
    await open(owner, { from: `script:${kind.plural}` })
    await expect(owner.getByRole('combobox', { name: 'Kind' })).toHaveValue(kind.plural)
    await expect(manifest(owner)).toContainText(`kind: ${kind.kind}`)
    await good(owner)
  }
})

test.describe('a repository', () => {
  let folder = ''
  let daemon: ChildProcess
  let address = ''

  test.beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'weir-git-'))
    const git = (...args: string[]) => execFileSync('git', ['-c', 'user.name=ada', '-c', 'user.email=ada@example.org', '-C', join(folder, 'digits'), ...args])
    execFileSync('git', ['init', '-q', '-b', 'main', join(folder, 'digits')])
    writeFileSync(join(folder, 'digits/train.sh'), 'echo "from $(git branch --show-current), loss: 0.5"\n')
    git('add', '.')
    git('commit', '-qm', 'Learn digits')
    git('checkout', '-qb', 'better')
    // Pods do not reach what listens on the machine's loopback alone.
    const host = Object.values(networkInterfaces()).flat().find((a) => a?.family === 'IPv4' && !a.internal)?.address ?? ''
    const port = await freePort()
    daemon = spawn('git', ['daemon', '--reuseaddr', '--export-all', `--base-path=${folder}`, `--listen=${host}`, `--port=${port}`], { stdio: 'ignore' })
    address = `git://${host}:${port}/digits`
    await expect.poll(() => { try { return execFileSync('git', ['ls-remote', address], { stdio: ['ignore', 'pipe', 'ignore'] }).toString() } catch { return '' } }).toContain('better')
  })
  test.afterAll(() => {
    daemon.kill()
    rmSync(folder, { recursive: true, force: true })
  })

  test('is cloned, and its script runs', async ({ owner }) => {
    await open(owner, { from: 'script:jobs' })
    await owner.getByRole('combobox', { name: 'Begin with' }).selectOption({ label: 'A Git repository' })
    await box(owner, 'Name').fill('from-git')
    await box(owner, 'Git address').fill('https://ada:secret@example.org/a')
    await expect(owner.getByRole('alert').filter({ hasText: 'would see the password' })).toBeVisible()
    await box(owner, 'Git address').fill(address)
    await box(owner, 'Branch or tag').fill('better')
    await owner.getByRole('combobox', { name: 'Image' }).fill('busybox')
    await box(owner, 'Command').fill('sh train.sh')
    // The form is what the YAML says.
    await expect(manifest(owner)).toContainText('--branch=better')
    await expectAccessible(owner)
    await runs(owner, 'from-git', 'from better, loss: 0.5')
  })
})

test('a script in storage is run from there', async ({ weir, owner }) => {
  await weir.put(owner, 'default-code', 'digits/learn.py', Buffer.from('import words\nprint(words.said)\n'))
  await weir.put(owner, 'default-code', 'digits/words.py', Buffer.from('said = "loss: 0.25"\n'))
  await owner.goto(new URL('/storage?bucket=default-code&prefix=digits/&file=learn.py', owner.url()).href)
  await owner.getByRole('link', { name: 'Run as a job' }).click()
  await expect(box(owner, 'Name')).toHaveValue('learn')
  await expect(owner.getByRole('combobox', { name: 'Folder' })).toHaveValue('s3://default-code/digits/')
  await runs(owner, 'learn', 'loss: 0.25')
})

test('an image runs on hardware of the menu, with what else its kind knows', async ({ weir, owner }) => {
  writeFileSync(join(weir.dir, 'weir.yaml'), 'run:\n  hardware:\n    small: {cpu: 100m, memory: 64Mi}\n    large: {cpu: "8", memory: 32Gi}\n')
  await open(owner, { from: 'image:tfjobs' })
  await box(owner, 'Name').fill('by-image')
  await owner.getByRole('combobox', { name: 'Image' }).fill('busybox')
  await box(owner, 'Command').fill('echo "loss: 0.125"')
  await owner.getByRole('combobox', { name: 'Hardware' }).selectOption('small')
  await expect(owner.getByRole('spinbutton', { name: 'CPU each' })).toHaveValue('0.1')
  await expect(manifest(owner)).toContainText('memory: 64Mi')

  await owner.getByText('More fields of a TFJob').click()
  const policy = owner.getByRole('group', { name: 'Run policy' })
  await policy.getByRole('spinbutton', { name: 'Backoff limit' }).fill('2')
  await expect(manifest(owner)).toContainText('backoffLimit: 2')
  const clean = policy.getByRole('textbox', { name: 'Clean pod policy' })
  await clean.fill('Sometimes')
  await expect(policy.getByRole('alert').first()).toBeVisible()
  await expectAccessible(owner)
  await clean.fill('None')
  await runs(owner, 'by-image', 'loss: 0.125')
})

test('a job is run again with changes, and one that runs is restarted', async ({ weir, owner }) => {
  await weir.apply(training('again', 3000, 1))
  await owner.goto(new URL('/jobs/default/pytorchjobs/again', owner.url()).href)
  const state = owner.getByRole('status').filter({ hasText: /Running|Stopped|Waiting/ })
  await expect(state).toContainText('Running')
  const uid = () => weir.weir('kubectl', 'get', 'pod', 'again-master-0', '-o', 'jsonpath={.metadata.uid}')
  const before = await uid()
  await owner.getByRole('button', { name: 'More' }).click()
  await owner.getByRole('menuitem', { name: 'Restart' }).click()
  await owner.getByRole('alertdialog').getByRole('button', { name: 'Restart' }).click()
  await expect(owner.getByRole('alertdialog')).toHaveCount(0)
  await expect(state).toContainText('Running')
  expect(await uid()).not.toBe(before)

  await owner.getByRole('button', { name: 'More' }).click()
  await owner.getByRole('menuitem', { name: 'Run again with changes' }).click()
  await expect(box(owner, 'Name')).toHaveValue('again-2')
  await box(owner, 'Command').fill('echo "loss: 0.75"')
  await runs(owner, 'again-2', 'loss: 0.75')

  // The two are compared, chosen in the list.
  await owner.goto(new URL('/jobs?q=again', owner.url()).href)
  for (const name of ['again', 'again-2']) await owner.getByRole('checkbox', { name: `Select pytorchjobs/default/${name}`, exact: true }).check()
  await owner.getByRole('link', { name: 'Compare 2' }).click()
  await expect(owner.getByRole('button', { name: /^Leave out again/ })).toBeVisible()
  await expect(owner.getByRole('img', { name: /^loss over step.*again-2 0.75/ })).toBeVisible()
  await owner.getByRole('button', { name: 'Time' }).click()
  await owner.getByRole('slider', { name: 'Smoothing' }).fill('0.6')
  await owner.reload()
  await expect(owner.getByRole('img', { name: /^loss over time.*again-2 0.75/ })).toBeVisible()
  await expect(owner.getByRole('slider', { name: 'Smoothing' })).toHaveValue('0.6')
  await weir.weir('kubectl', 'delete', 'pytorchjob', 'again', 'again-2')
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, listening))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}
