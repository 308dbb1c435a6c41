import { ApiError, call, problemOf } from './client'
import { hangUp } from './socket'
import { keyOf, pathOf, type KubeObject, type Resource } from './resource'

/** Selection narrows a collection down, in the words of the API. */
export interface Selection {
  namespace?: string
  labels?: string
  fields?: string
}

export interface Snapshot<T> {
  /** All objects, in no order. The array changes when one of them does. */
  readonly items: readonly T[]
  /** loading: not all are here yet. lost: there is no connection, and items are as they were. failed: see problem. */
  readonly phase: 'loading' | 'live' | 'lost' | 'failed'
  readonly problem?: ApiError
  /** The object that was deleted last, as it was. */
  readonly deleted?: T
}

interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  object: KubeObject & { code?: number; message?: string }
}

const pageSize = 500
const lingering = 30_000 // ms that a collection without readers stays, so that the back button is instant
const longestRest = 10_000

/**
 * A Collection is a list of objects that is always as the API server has it:
 * read once, page by page, and then followed.
 *
 * It is followed through a WebSocket, because a browser opens no more than six
 * connections of HTTP/1.1 to one address, and a page follows more kinds than
 * that. Changes are told once a frame, however many there are.
 */
export class Collection<T extends KubeObject> {
  private readonly objects = new Map<string, T>()
  private readonly readers = new Set<() => void>()
  private snapshot: Snapshot<T> = { items: [], phase: 'loading' }
  private version = ''
  private socket: WebSocket | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private aborter: AbortController | undefined
  private rest = 0
  private frame = 0

  constructor(
    private readonly resource: Resource,
    private readonly selection: Selection,
    private readonly whenIdle: () => void,
  ) {}

  readonly current = () => this.snapshot

  readonly subscribe = (reader: () => void): (() => void) => {
    this.readers.add(reader)
    if (this.readers.size === 1) {
      clearTimeout(this.timer)
      if (!this.socket && !this.aborter) void this.list()
    }
    return () => {
      this.readers.delete(reader)
      if (this.readers.size === 0) this.timer = setTimeout(this.stop, lingering)
    }
  }

  /** retry reads all anew, now. */
  readonly retry = () => {
    clearTimeout(this.timer)
    this.rest = 0
    void this.list()
  }

  private readonly stop = () => {
    this.hangUp()
    this.aborter?.abort()
    this.aborter = undefined
    this.whenIdle()
  }

  private hangUp() {
    if (!this.socket) return
    hangUp(this.socket)
    this.socket = undefined
  }

  private async list() {
    this.hangUp()
    this.aborter?.abort()
    const aborter = (this.aborter = new AbortController())
    const seen = new Set<string>()
    let next = ''
    try {
      do {
        const path = `${pathOf(this.resource, this.selection.namespace)}?${this.query({ limit: String(pageSize), continue: next })}`
        const page = await call<{ items: T[]; metadata: { resourceVersion: string; continue?: string } }>('GET', path, undefined, {
          signal: aborter.signal,
        })
        for (const o of page.items) {
          seen.add(keyOf(o))
          this.keep(o)
        }
        this.version = page.metadata.resourceVersion
        next = page.metadata.continue ?? ''
        if (next !== '') this.publish({ phase: 'loading' })
      } while (next !== '')
    } catch (error) {
      if (!aborter.signal.aborted) this.failed(problemOf(error))
      return
    }
    for (const key of this.objects.keys()) if (!seen.has(key)) this.objects.delete(key)
    this.publish({ phase: 'live' })
    this.follow()
  }

  private follow() {
    const query = this.query({ watch: '1', allowWatchBookmarks: 'true', resourceVersion: this.version })
    const address = new URL(`${pathOf(this.resource, this.selection.namespace)}?${query}`, location.href)
    address.protocol = address.protocol.replace('http', 'ws')
    const socket = (this.socket = new WebSocket(address))
    let opened = 0
    socket.onopen = () => {
      opened = Date.now()
      if (this.snapshot.phase !== 'live') this.publish({ phase: 'live' })
    }
    socket.onmessage = (message) => {
      this.rest = 0
      this.take(JSON.parse(String(message.data)) as Change)
    }
    socket.onclose = () => {
      this.socket = undefined
      // An API server ends a watch after a while, and one goes on where it ended.
      if (Date.now() - opened > 60_000 && opened > 0) return this.follow()
      this.publish({ phase: 'lost' })
      this.again()
    }
  }

  private take(change: Change) {
    if (change.type === 'ERROR') return void this.list() // mostly: what came since is too long ago
    this.version = change.object.metadata.resourceVersion ?? this.version
    if (change.type === 'BOOKMARK') return
    const object = change.object as unknown as T
    if (change.type === 'DELETED') {
      this.objects.delete(keyOf(object))
      this.snapshot = { ...this.snapshot, deleted: object }
    } else this.keep(object)
    this.frame ||= requestFrame(() => {
      this.frame = 0
      this.publish({})
    })
  }

  private keep(o: T) {
    delete o.metadata.managedFields // a third of the bytes, which no page shows
    this.objects.set(keyOf(o), o)
  }

  private failed(problem: ApiError) {
    // Who has no connection, or asks while weir starts, is served again by and by.
    if (problem.status <= 0 || problem.status >= 500 || problem.status === 429) {
      this.publish(this.objects.size > 0 ? { phase: 'lost', problem } : { phase: 'failed', problem })
      this.again()
    } else this.publish({ phase: 'failed', problem })
  }

  private again() {
    this.rest = Math.min(longestRest, Math.max(500, this.rest * 2))
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.list(), this.rest * (0.5 + Math.random() / 2))
  }

  private publish(change: Partial<Snapshot<T>>) {
    const { problem: _, ...rest } = this.snapshot
    this.snapshot = { ...rest, items: [...this.objects.values()], ...change }
    for (const reader of this.readers) reader()
  }

  private query(more: Record<string, string>): string {
    const query = new URLSearchParams()
    if (this.selection.labels) query.set('labelSelector', this.selection.labels)
    if (this.selection.fields) query.set('fieldSelector', this.selection.fields)
    for (const [name, value] of Object.entries(more)) if (value !== '') query.set(name, value)
    return query.toString()
  }
}

/** untilObject waits until one object is as is says; it ends by an error when the object is gone or nobody answers for too long. */
export function untilObject<T extends KubeObject>(resource: Resource, namespace: string, name: string, is: (o: T) => boolean, longest = 120_000): Promise<void> {
  const watched = collection<T>(resource, { namespace, fields: `metadata.name=${name}` })
  return new Promise((done, fail) => {
    const settle = (act: () => void) => {
      clearTimeout(timer)
      end()
      act()
    }
    const look = () => {
      const { items, phase } = watched.current()
      const o = items[0]
      if (o && is(o)) settle(done)
      else if (!o && phase === 'live') settle(() => fail(new ApiError(404, 'Gone', `${name} has been deleted meanwhile`)))
    }
    const timer = setTimeout(() => settle(() => fail(new ApiError(0, 'TooLong', `${name} takes longer than ${longest / 1000} s for it`))), longest)
    const end = watched.subscribe(look)
    queueMicrotask(look) // what is there already is told to nobody
  })
}

// A page in the background gets no frames, but should be true when it is looked at.
const requestFrame = (then: () => void) =>
  document.hidden ? (setTimeout(then, 250) as unknown as number) : requestAnimationFrame(then)

const open = new Map<string, Collection<KubeObject>>()

/** collection is the one collection of these objects, shared by all who read it. */
export function collection<T extends KubeObject>(resource: Resource, selection: Selection = {}): Collection<T> {
  const key = [pathOf(resource, selection.namespace), selection.labels, selection.fields].join('?')
  let found = open.get(key)
  if (!found) {
    found = new Collection<KubeObject>(resource, selection, () => open.delete(key))
    open.set(key, found)
  }
  return found as unknown as Collection<T>
}

/** openCollections are those that somebody reads, or read a moment ago. */
export const openCollections = () => [...open.values()]
