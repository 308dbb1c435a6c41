import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, retainSearchParams, type ErrorComponentProps } from '@tanstack/react-router'
import { curvesViewOf } from './curves/view'
import { Frame } from './frame/Frame'
import { Button } from './house/Button'
import { Copy } from './house/Copy'
import { Notice } from './house/Notice'
import { Page } from './house/Page'
import { viewOf } from './jobs/list'
import { JobsPage } from './jobs/JobsPage'
import type { PodView } from './pods/PodPage'
import type { Start } from './jobs/new/NewJobPage'
import type { Place } from './storage/StoragePage'

// The map of the product. State that makes a page what it is stands in its address.

const root = createRootRoute({
  component: Frame,
  notFoundComponent: Lost,
  validateSearch: (search: Record<string, unknown>): { ns?: string } => (typeof search['ns'] === 'string' && search['ns'] !== '' ? { ns: search['ns'] } : {}),
  search: { middlewares: [retainSearchParams(['ns'])] },
})

const home = createRoute({ getParentRoute: () => root, path: '/', component: lazyRouteComponent(() => import('./home/HomePage'), 'HomePage') })

const jobs = createRoute({ getParentRoute: () => root, path: '/jobs', validateSearch: viewOf, component: JobsPage })

const newJob = createRoute({
  getParentRoute: () => root,
  path: '/jobs/new',
  validateSearch: (search: Record<string, unknown>): Start => ({
    ...(typeof search['from'] === 'string' && { from: search['from'] }), ...(typeof search['code'] === 'string' && { code: search['code'] }),
  }),
  component: lazyRouteComponent(() => import('./jobs/new/NewJobPage'), 'NewJobPage'),
})

const podList = createRoute({
  getParentRoute: () => root,
  path: '/pods',
  validateSearch: viewOf,
  component: lazyRouteComponent(() => import('./pods/PodsPage'), 'PodsPage'),
})

const pod = createRoute({
  getParentRoute: () => root,
  path: '/pods/$namespace/$name',
  validateSearch: (search: Record<string, unknown>): { view?: PodView; run?: 'previous'; container?: string; path?: string } => {
    const view = (['logs', 'terminal', 'files', 'events'] as const).find((v) => v === search['view'])
    const text = (name: string) => (view === 'files' && typeof search[name] === 'string' ? search[name] : undefined)
    const [container, path] = [text('container'), text('path')]
    return { ...(view && { view }), ...(container && { container }), ...(path && { path }), ...(search['run'] === 'previous' && { run: 'previous' }) }
  },
  component: lazyRouteComponent(() => import('./pods/PodPage'), 'PodPage'),
})

const storage = createRoute({
  getParentRoute: () => root,
  path: '/storage',
  validateSearch: (search: Record<string, unknown>): Place => {
    const text = (name: string) => (typeof search[name] === 'string' ? search[name] : undefined)
    const [bucket, prefix, file, q, sort] = [text('bucket'), text('prefix'), text('file'), text('q'), text('sort')]
    return { ...(bucket && { bucket }), ...(prefix && { prefix }), ...(file && { file }), ...(q && { q }), ...(sort && { sort }) }
  },
  component: lazyRouteComponent(() => import('./storage/StoragePage'), 'StoragePage'),
})
const images = createRoute({ getParentRoute: () => root, path: '/images', component: lazyRouteComponent(() => import('./images/ImagesPage'), 'ImagesPage') })
const machine = createRoute({ getParentRoute: () => root, path: '/machine', component: lazyRouteComponent(() => import('./machine/MachinePage'), 'MachinePage') })
const settings = createRoute({ getParentRoute: () => root, path: '/settings', component: lazyRouteComponent(() => import('./settings/SettingsPage'), 'SettingsPage') })

const job = createRoute({
  getParentRoute: () => root,
  path: '/jobs/$namespace/$plural/$name',
  component: lazyRouteComponent(() => import('./jobs/JobPage'), 'JobPage'),
})

const overview = createRoute({ getParentRoute: () => job, path: '/', component: lazyRouteComponent(() => import('./jobs/OverviewTab'), 'OverviewTab') })
const curves = createRoute({
  getParentRoute: () => job,
  path: 'curves',
  validateSearch: curvesViewOf,
  component: lazyRouteComponent(() => import('./curves/CurvesTab'), 'CurvesTab'),
})
const logs = createRoute({
  getParentRoute: () => job,
  path: 'logs',
  validateSearch: (search: Record<string, unknown>): { replica?: string } => (typeof search['replica'] === 'string' ? { replica: search['replica'] } : {}),
  component: lazyRouteComponent(() => import('./logs/LogsTab'), 'LogsTab'),
})
const events = createRoute({ getParentRoute: () => job, path: 'events', component: lazyRouteComponent(() => import('./jobs/EventsTab'), 'EventsTab') })
const manifest = createRoute({ getParentRoute: () => job, path: 'manifest', component: lazyRouteComponent(() => import('./jobs/ManifestTab'), 'ManifestTab') })

function Lost() {
  return (
    <Page title="There is no such page" command="weir --help">
      <Notice title="The address leads nowhere" actions={<Link to="/">Home</Link>}>It may be from another version of weir, or misspelt.</Notice>
    </Page>
  )
}

/** Broken is what stands in a page's place that could not be drawn. */
function Broken({ error }: ErrorComponentProps) {
  const { message, stack = message } = error instanceof Error ? error : new Error(String(error))
  return (
    <Page title="This page cannot be shown" command="weir status">
      <Notice tone="failed" icon="alert" title="Something in the page itself went wrong" actions={<><Button onClick={() => location.reload()}>Load it again</Button><Copy text={stack} label="Copy details" /></>}>
        {message}
      </Notice>
    </Page>
  )
}

/** readPages reads the scripts of all pages, before somebody opens them. */
export function readPages() {
  for (const { options } of Object.values(router.routesById)) void (options.component as { preload?: () => Promise<unknown> } | undefined)?.preload?.()
}

export const router = createRouter({
  routeTree: root.addChildren([home, jobs, newJob, job.addChildren([overview, curves, logs, events, manifest]), podList, pod, storage, images, machine, settings]),
  defaultPreload: 'intent',
  defaultPendingMs: 200,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
