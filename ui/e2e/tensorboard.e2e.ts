import { events } from './events'
import { training } from './jobs'
import { expect, expectAccessible, picture, test } from './weir'

test('TensorBoard opens at a click, over what a job wrote to S3', async ({ weir, owner }) => {
  const origin = new URL(owner.url()).origin
  // Files as a job writes them: a loss over forty steps.
  await weir.put(owner, 'default-runs', 'digits/train/events.out.tfevents.1.pod', events('loss', Array.from({ length: 40 }, (_, i) => 1 / (i + 1))))
  const job = training('digits', 2, 0)
  await weir.apply({ ...job, metadata: { ...job.metadata, annotations: { 'weir-ml.github.io/events': 's3://default-runs/digits' } } })

  await owner.goto(`${origin}/jobs/default/pytorchjobs/digits`)
  const opened = owner.context().waitForEvent('page')
  await owner.getByRole('button', { name: 'TensorBoard' }).click()
  const board = await opened
  // TensorBoard looks for its fonts at the door's root, with a prefix too, and does without.
  const said: string[] = []
  board.on('console', (m) => { if (m.type() === 'error' && !/status of 503|Loading the font/.test(m.text())) said.push(`${m.text()} ${m.location().url}`) })
  await expect(board).toHaveURL(/\/tensorboard\/default\/tensorboard-digits\//)
  // Until it answers, a page says why and tries again.
  await expect(board.locator('tb-webapp, [role=status]').first()).toBeVisible()
  await expect(board.getByText('loss', { exact: true }).first()).toBeVisible()
  await expect(board.getByText('train', { exact: true }).first()).toBeVisible()
  await expect(board.locator('scalar-card canvas, scalar-card svg.lines, scalar-card line-chart').first()).toBeVisible()
  await picture(board, 'tensorboard')
  expect(said).toEqual([])

  // What TensorBoard's place holds acts as nobody: it reaches no other address of weir.
  const reached = await board.evaluate(async () => {
    const asked = await fetch('/api/v1/namespaces').then((r) => r.status, () => 'refused')
    return { asked, opened: window.open('/') === null, opener: window.opener === null }
  })
  expect(reached).toEqual({ asked: 'refused', opened: true, opener: true })
  await board.close()

  await owner.goto(`${origin}/storage?bucket=default-runs&prefix=digits/`)
  await expectAccessible(owner)
  const again = owner.context().waitForEvent('page')
  await owner.getByRole('button', { name: 'TensorBoard' }).click()
  await expect(await again).toHaveURL(/\/tensorboard\/default\/tensorboard-default-runs-digits\//)
  expect(await weir.weir('tensorboard', 'pytorchjob/digits')).toContain('/tensorboard/default/tensorboard-digits/')
})

test('a job that does not say where it writes is told how to', async ({ weir, owner }) => {
  await weir.apply(training('silent', 1, 0))
  await owner.goto(new URL('/jobs/default/pytorchjobs/silent', owner.url()).href)
  await owner.getByRole('button', { name: 'TensorBoard' }).click()
  await expect(owner.getByRole('alert')).toContainText('weir kubectl annotate pytorchjob/silent -n default weir-ml.github.io/events=s3://BUCKET/FOLDER')
})
