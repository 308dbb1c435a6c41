import type { Event, Pod } from '../api/kubernetes'

/** An Image is one of a container, as weir keeps it. */
export interface Image {
  name: string
  namespace?: string
  id: string
  made?: string
  size: number
  unpacked?: number
  pulled?: boolean
}

/** An Environment is a Python with packages that stands for an image. */
export interface Environment {
  id: string
  image: string
  python: string
  packages: string[] | null
  size: number
  built: string
}

/** A Recipe says what images mean, and From who says so. */
export interface Recipe {
  image: string
  means: string
  from: string
}

/** A Build is an image or an environment that a pod waits for, with what is done for it, the oldest first. */
export interface Build {
  namespace: string
  pod: string
  lines: { key: string; at: number; text: string }[]
}

type Meta<T> = T & { metadata: object }

/** usersOf are the pods that have a container of an image, by the image's ID. */
export function usersOf(pods: readonly Pod[]): ReadonlyMap<string, { namespace: string; name: string }[]> {
  const users = new Map<string, { namespace: string; name: string }[]>()
  for (const pod of pods) {
    if (pod.status?.phase !== 'Running' && pod.status?.phase !== 'Pending') continue
    const all = [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]
    for (const id of new Set(all.map((c) => c.imageID).filter(Boolean)))
      users.set(id, [...(users.get(id) ?? []), { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' }])
  }
  return users
}

const timeOf = (e: Event) => Date.parse(e.series?.lastObservedTime ?? e.lastTimestamp ?? e.eventTime ?? '') || 0

/** buildsOf are the builds under way: of pods that wait for an image, and of which the node says what it does. */
export function buildsOf(pods: readonly Meta<Pod>[], events: readonly Meta<Event>[]): Build[] {
  const waiting = new Map(pods.filter((p) => p.status?.phase === 'Pending').map((p) => [p.metadata.uid, p]))
  const builds = new Map<string, Build>()
  for (const e of events) {
    const pod = e.reason === 'Preparing' ? waiting.get(e.involvedObject.uid) : undefined
    if (!pod?.metadata.uid) continue
    const build = builds.get(pod.metadata.uid) ?? { namespace: pod.metadata.namespace ?? '', pod: pod.metadata.name ?? '', lines: [] }
    build.lines.push({ key: e.metadata.uid ?? '', at: timeOf(e), text: e.message ?? '' })
    builds.set(pod.metadata.uid, build)
  }
  for (const b of builds.values()) b.lines.sort((x, y) => x.at - y.at)
  return [...builds.values()].sort((x, y) => x.pod.localeCompare(y.pod, 'en', { numeric: true }))
}
