import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, expectAccessible, give, picture, test } from './weir'
import type { Page } from '@playwright/test'

const run = promisify(execFile)
const at = (page: Page, search: Record<string, string>) => page.goto(new URL(`/storage?${new URLSearchParams(search)}`, page.url()).href)
const hash = (data: Buffer) => createHash('sha256').update(data).digest('hex')
const fetched = async (page: Page, path: string) => {
  const answer = await page.request.get(new URL(`/weir/s3/${path}`, page.url()).href)
  return answer.ok() ? hash(await answer.body()) : `${answer.status()} ${await answer.text()}`
}

let folder = ''
test.beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'weir-files-')) })
test.afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a link shows a file to who is not signed in', async ({ weir, owner, browser }) => {
  await weir.put(owner, 'default-share', 'deep/best one.txt', Buffer.from('epoch 7'))
  await at(owner, { bucket: 'default-share', prefix: 'deep/', file: 'best one.txt' })
  await owner.getByRole('combobox', { name: 'The link is good for' }).selectOption('for an hour')
  await owner.getByRole('button', { name: 'Make a link' }).click()
  const link = await owner.getByText('X-Amz-Signature').textContent()
  await expectAccessible(owner)
  const stranger = await browser.newContext()
  const answer = await stranger.request.get(link ?? '')
  expect(await answer.text()).toBe('epoch 7')
  await stranger.close()
})

test('keys are shown, and what is pasted works', async ({ weir, owner }) => {
  await weir.put(owner, 'default-paste', 'there.txt', Buffer.from('x'))
  await owner.goto(new URL('/storage?ns=default', owner.url()).href)
  await owner.getByRole('button', { name: 'Show my keys' }).click()
  const pasted = async (title: string) => {
    await owner.getByRole('button', { name: title }).click()
    return (await owner.getByLabel('To paste').textContent() ?? '').replaceAll(/\bdefault-[a-z]+\b/g, 'default-paste')
  }
  const boto3 = await pasted('Python, with boto3')
  expect((await run('python3', ['-c', boto3])).stdout).toContain('there.txt 1')
  const shell = await pasted('Shell, for boto3')
  const script = `${shell}\npython3 -c 'import boto3; print(boto3.client("s3").list_objects_v2(Bucket="default-paste")["KeyCount"])'`
  expect((await run('sh', ['-ec', script])).stdout.trim()).toBe('1')
  // Of the same name is a file manager.
  const mc = (() => { try { return execFileSync('mc', ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] }).includes('RELEASE') } catch { return false } })()
  if (mc) expect((await run('sh', ['-ec', await pasted('mc, MinIO')], { env: { ...process.env, HOME: folder } })).stdout).toContain('there.txt')
  await expectAccessible(owner)
  await picture(owner, 'storage-keys')
  await owner.getByRole('button', { name: 'Take them back' }).click()
  await expect(owner.getByLabel('To paste')).toHaveCount(0)
  await expect.poll(() => run('python3', ['-c', boto3]).then(() => 'works', () => 'refused')).toBe('refused')
})

test('a folder is uploaded, and goes on after a reload', async ({ weir, owner }) => {
  const made = join(folder, 'run')
  mkdirSync(join(made, 'sub'), { recursive: true })
  for (let i = 0; i < 20; i++) writeFileSync(join(made, 'sub', `part-${i}.txt`), `number ${i}`)
  const large = randomBytes(40 << 20)
  writeFileSync(join(made, 'weights.bin'), large)
  await weir.put(owner, 'default-up', 'in/other.txt', Buffer.from('was here'))
  await at(owner, { bucket: 'default-up', prefix: 'in/' })

  // Two parts get through, and then somebody reloads.
  let through = 0
  const parts: number[] = []
  await owner.route(/partNumber=/, async (route) => {
    if (through++ >= 2) return // It hangs.
    parts.push(Number(new URL(route.request().url()).searchParams.get('partNumber')))
    await route.continue()
  })
  await give(owner, 'Folder to upload', made)
  const status = owner.getByRole('status').filter({ hasText: /of 21/ })
  await expect(status).toContainText('20 files of 21')
  await expect.poll(() => parts.length).toBe(2)
  await expect(status).toContainText('16.8 MB of')
  await expectAccessible(owner)
  await owner.reload()
  await owner.unrouteAll({ behavior: 'ignoreErrors' })

  const again: string[] = []
  owner.on('request', (r) => { if (r.method() === 'PUT') again.push(r.url()) })
  const notice = owner.getByRole('status').filter({ hasText: 'did not end' })
  await expect(notice).toContainText('21 files')
  await expectAccessible(owner)
  await picture(owner, 'storage-upload')
  await give(owner, 'Folder to upload', made)
  await expect(notice).toHaveCount(0)
  await expect(owner.getByRole('link', { name: 'run/', exact: true })).toBeVisible()
  await expect.poll(() => fetched(owner, 'default-up/in/run/weights.bin')).toBe(hash(large))
  expect(await fetched(owner, 'default-up/in/run/sub/part-7.txt')).toBe(hash(Buffer.from('number 7')))
  expect(again, 'only the three parts that were missing').toHaveLength(3)
  for (const n of parts) expect(again.some((u) => u.includes(`partNumber=${n}&`)), `part ${n} again`).toBe(false)

  // What goes is said before it does.
  await owner.getByRole('checkbox', { name: 'Select in/run/' }).check()
  await owner.getByRole('button', { name: 'Delete 1' }).click()
  const question = owner.getByRole('alertdialog')
  await expect(question).toContainText('21 files, 41.9 MB')
  await question.getByRole('button', { name: 'Delete' }).click()
  await expect(owner.getByRole('link', { name: 'run/', exact: true })).toHaveCount(0)
  await expect(owner.getByRole('link', { name: 'other.txt' })).toBeVisible()
})

test('an upload waits for a lost connection, and a large file takes no memory', async ({ weir, browser }) => {
  const large = join(folder, 'large.bin')
  writeFileSync(large, '')
  truncateSync(large, 256 << 20)
  const context = await browser.newContext() // Its console says what it cannot load.
  const page = await context.newPage()
  await page.goto(await weir.link())
  await expect(page.getByRole('navigation', { name: 'Areas' })).toBeVisible()
  await weir.put(page, 'default-large', 'x', Buffer.from('x'))
  await at(page, { bucket: 'default-large' })
  const wire = await context.newCDPSession(page)
  const heap = async () => {
    await wire.send('HeapProfiler.collectGarbage')
    return (await wire.send('Runtime.getHeapUsage')).usedSize
  }
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pidOf(weir.dir)}/status`, 'utf8'))?.[1] ?? 0) * 1024
  const before = { heap: await heap(), resident: resident() }
  const sent = () => page.getByRole('meter', { name: 'Upload' }).getAttribute('aria-valuenow', { timeout: 500 }).then(Number, () => 100)
  // The network goes away when the sixth part is to be sent, which is held until it has: the others alone are no file.
  await page.route(
    /partNumber=6&/,
    async (route) => {
      await context.setOffline(true)
      await route.abort()
    },
    { times: 1 },
  )
  await give(page, 'Files to upload', large)
  await expect(page.getByText('weir does not answer. It goes on by itself')).toBeVisible()
  const stood = await sent()
  await context.setOffline(false)
  await expect.poll(sent, { intervals: [50] }).toBeGreaterThan(stood)
  await expect(page.getByRole('row', { name: /large.bin/ })).toContainText('268 MB')
  expect((await heap()) - before.heap, 'bytes that the page holds on to').toBeLessThan(32 << 20)
  expect(resident() - before.resident, 'bytes that weir holds on to').toBeLessThan(200 << 20)
  await context.close()
})

test('ten thousand files in a folder are listed, searched and chosen', async ({ weir, owner }) => {
  await weir.put(owner, 'default-many', 'x', Buffer.from('x'))
  // Buckets are folders, and objects files in them.
  const there = join(weir.dir, 's3/buckets/default-many/in')
  mkdirSync(there)
  for (let i = 0; i < 10_000; i++) writeFileSync(join(there, `image-${String(i).padStart(5, '0')}.png`), 'x'.repeat(i % 100))
  await at(owner, { bucket: 'default-many', prefix: 'in/' })
  await expect(owner.getByRole('status').filter({ hasText: /^10,000 entries$/ })).toBeVisible()
  const shown = owner.getByRole('row')
  expect(await shown.count(), 'rows that exist').toBeLessThan(80)
  await owner.getByRole('columnheader', { name: 'Name' }).getByRole('button').click()
  await owner.getByRole('columnheader', { name: 'Size' }).getByRole('button').click()
  await owner.getByRole('columnheader', { name: 'Size' }).getByRole('button').click()
  await expect(shown.nth(1)).toContainText('image-00099.png')
  await owner.getByRole('searchbox', { name: 'Search files' }).fill('077')
  await expect(shown.filter({ hasText: 'image-07799.png' })).toBeVisible()
  await owner.getByRole('searchbox', { name: 'Search files' }).fill('')
  await owner.getByRole('checkbox', { name: 'Select all' }).check()
  await owner.getByRole('button', { name: 'Delete 10,000' }).click()
  const question = owner.getByRole('alertdialog')
  await expect(question).toContainText('10,000 files, 495 kB')
  await question.getByRole('button', { name: 'Keep' }).click()
  await expectAccessible(owner)
})

const pidOf = (dir: string) => (JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as { pid: number }).pid
