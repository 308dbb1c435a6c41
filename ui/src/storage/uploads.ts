import { problemOf } from '../live/client'
import { s3, type Part, type Wire } from './wire'

/** A Sent is a file that is to lie somewhere, by its path below where it was put. */
export interface Sent {
  path: string
  file: File
}

/** A Batch is what somebody has put somewhere at once. */
export interface Batch {
  bucket: string
  prefix: string
  files: number
  bytes: number
  /** Milliseconds; what was there before is of somebody else. */
  began: number
}

/** A State is how the uploads of this page fare. */
export interface State {
  batch?: Batch
  /** Files and bytes that are there. */
  done: number
  sent: number
  /** What is on its way now. */
  now: readonly string[]
  /** There is no connection; it goes on by itself. */
  lost: boolean
  /** Files that S3 would not take, and why. */
  failed: readonly { path: string; message: string }[]
}

/** What is kept of a file that is sent in parts: as long as it is the same, it goes on. */
interface Begun {
  upload: string
  size: number
  modified: number
}

const partSize = 8 << 20
const mostParts = 9000
const filesAtOnce = 4
const partsAtOnce = 3
const longestRest = 10_000

export const partSizeOf = (size: number) => Math.max(partSize, Math.ceil(size / mostParts / partSize) * partSize)

/**
 * Uploads send files into a bucket, large ones in parts. A lost connection is
 * waited for. What has been begun is kept by this browser, so that who chooses the
 * same files again, after a reload, sends only what is not there yet.
 *
 * Files are read as they are sent, so their size takes no memory.
 */
export class Uploads {
  private state: State = { done: 0, sent: 0, now: [], lost: false, failed: [] }
  private readonly readers = new Set<() => void>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private aborter: AbortController | undefined

  constructor(
    private readonly wire: Wire,
    private readonly kept: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>,
    private readonly rest: (ms: number) => Promise<void> = wait,
  ) {}

  readonly current = () => this.state

  readonly subscribe = (reader: () => void) => {
    this.readers.add(reader)
    return () => void this.readers.delete(reader)
  }

  /** interrupted is the batch of an earlier visit that did not end, if it was put there. */
  interrupted(bucket: string, prefix: string): Batch | undefined {
    const batch = this.read<Batch>('batch')
    return batch && !this.state.batch && batch.bucket === bucket && batch.prefix === prefix ? batch : undefined
  }

  /** forget gives an interrupted batch up, and has S3 forget the parts of it. */
  async forget() {
    const begun = this.read<Record<string, Begun>>('begun') ?? {}
    this.kept.removeItem(keyOf('batch'))
    this.kept.removeItem(keyOf('begun'))
    for (const [place, { upload }] of Object.entries(begun)) {
      const [bucket = '', ...key] = place.split('/')
      await this.wire.abort(bucket, key.join('/'), upload).catch(() => undefined) // S3 forgets it by itself some day.
    }
    this.tell({})
  }

  /** stop ends what is on its way; it can be gone on with. */
  readonly stop = () => this.aborter?.abort()

  /** send puts files below a prefix. What an interrupted batch has sent is not sent again. */
  async send(bucket: string, prefix: string, files: readonly Sent[]): Promise<void> {
    const before = this.interrupted(bucket, prefix)
    const batch: Batch = { bucket, prefix, files: files.length, bytes: files.reduce((n, f) => n + f.file.size, 0), began: before?.began ?? Date.now() }
    this.write('batch', batch)
    const { signal } = (this.aborter = new AbortController())
    this.state = { batch, done: 0, sent: 0, now: [], lost: false, failed: [] }
    this.tell({})
    const there = before ? await this.there(batch, signal) : new Map<string, number>()
    const queue = files.filter((f) => {
      const is = there.get(prefix + f.path) === f.file.size
      if (is) this.count(f.file.size, 1)
      return !is
    })
    await Promise.all(Array.from({ length: filesAtOnce }, async () => {
      for (let f = queue.shift(); f && !signal.aborted; f = queue.shift()) await this.one(batch, f, signal)
    }))
    const whole = !signal.aborted && this.state.failed.length === 0
    if (whole) this.kept.removeItem(keyOf('batch'))
    const { batch: _, ...ended } = this.state
    this.state = { ...ended, now: [], lost: false }
    this.tell({})
  }

  /** there is what a batch has sent already: by key, how large. */
  private async there(batch: Batch, signal: AbortSignal): Promise<Map<string, number>> {
    return this.persist(signal, async () => {
      const found = new Map<string, number>()
      for await (const entries of this.wire.list(batch.bucket, batch.prefix, signal))
        for (const e of entries) if (Date.parse(e.changed ?? '') >= Math.floor(batch.began / 1000) * 1000) found.set(e.key, e.size)
      return found
    })
  }

  private async one(batch: Batch, { path, file }: Sent, signal: AbortSignal) {
    const key = batch.prefix + path
    this.tell({ now: [...this.state.now, path] })
    try {
      if (file.size <= partSize) {
        await this.persist(signal, () => this.wire.put(batch.bucket, key, file, signal))
        this.count(file.size)
      } else await this.inParts(batch.bucket, key, file, signal)
      this.count(0, 1)
    } catch (error) {
      if (!signal.aborted) this.tell({ failed: [...this.state.failed, { path, message: problemOf(error).message }] })
    } finally {
      this.tell({ now: this.state.now.filter((p) => p !== path) })
    }
  }

  private async inParts(bucket: string, key: string, file: File, signal: AbortSignal) {
    const size = partSizeOf(file.size)
    const { upload, parts } = await this.begin(bucket, key, file, signal)
    const there = new Map(parts.map((p) => [p.number, p]))
    const queue: number[] = []
    for (let number = 1; (number - 1) * size < file.size; number++) {
      const wanted = Math.min(size, file.size - (number - 1) * size)
      if (there.get(number)?.size === wanted) this.count(wanted)
      else queue.push(number)
    }
    await Promise.all(Array.from({ length: partsAtOnce }, async () => {
      for (let number = queue.shift(); number !== undefined && !signal.aborted; number = queue.shift()) {
        const n = number
        const data = file.slice((n - 1) * size, n * size)
        const tag = await this.persist(signal, () => this.wire.part(bucket, key, upload, n, data, signal))
        there.set(n, { number: n, tag, size: data.size })
        this.count(data.size)
      }
    }))
    signal.throwIfAborted()
    await this.persist(signal, () => this.wire.finish(bucket, key, upload, [...there.values()].sort((a, b) => a.number - b.number), signal))
    this.keepBegun(`${bucket}/${key}`, undefined)
  }

  /** begin goes on with a file that was begun, or begins. */
  private async begin(bucket: string, key: string, file: File, signal: AbortSignal): Promise<{ upload: string; parts: readonly Part[] }> {
    const place = `${bucket}/${key}`
    const begun = this.read<Record<string, Begun>>('begun')?.[place]
    if (begun && begun.size === file.size && begun.modified === file.lastModified) {
      try {
        return { upload: begun.upload, parts: await this.persist(signal, () => this.wire.parts(bucket, key, begun.upload, signal)) }
      } catch (error) {
        if (problemOf(error).status !== 404) throw error // S3 has forgotten it, or it was finished.
      }
    }
    const upload = await this.persist(signal, () => this.wire.start(bucket, key, file.type, signal))
    this.keepBegun(place, { upload, size: file.size, modified: file.lastModified })
    return { upload, parts: [] }
  }

  /** persist asks again for as long as nobody answers. */
  private async persist<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    for (let ms = 500; ; ms = Math.min(longestRest, ms * 2)) {
      try {
        const answer = await ask()
        if (this.state.lost) this.tell({ lost: false })
        return answer
      } catch (error) {
        const { status } = problemOf(error)
        if (signal.aborted || (status !== 0 && status !== 429 && status < 500)) throw error
        this.tell({ lost: true })
        await this.rest(ms)
        signal.throwIfAborted()
      }
    }
  }

  private keepBegun(place: string, begun: Begun | undefined) {
    const all = new Map(Object.entries(this.read<Record<string, Begun>>('begun') ?? {}))
    if (begun) all.set(place, begun)
    else all.delete(place)
    if (all.size > 0) this.write('begun', Object.fromEntries(all))
    else this.kept.removeItem(keyOf('begun'))
  }

  private read<T>(what: string): T | undefined {
    try {
      return JSON.parse(this.kept.getItem(keyOf(what)) ?? 'null') as T ?? undefined
    } catch {
      return undefined // Somebody else wrote it.
    }
  }

  private write(what: string, value: unknown) {
    this.kept.setItem(keyOf(what), JSON.stringify(value))
  }

  private count(bytes: number, files = 0) {
    this.tell({ sent: this.state.sent + bytes, done: this.state.done + files })
  }

  // Ten thousand small files change it as often: readers are told ten times a second.
  private tell(change: Partial<State>) {
    this.state = { ...this.state, ...change }
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.readers.forEach((r) => r())
    }, 100)
  }
}

const keyOf = (what: string) => `weir.upload.${what}`
const wait = (ms: number) => new Promise<void>((done) => {
  const timer = setTimeout(done, ms)
  window.addEventListener('online', () => { clearTimeout(timer); done() }, { once: true })
})

/** uploads are those of this page. They go on while one looks at something else. */
export const uploads = new Uploads(s3, globalThis.localStorage)

/** filesIn are the files that were dropped, also those in folders. */
export async function filesIn(data: DataTransfer): Promise<Sent[]> {
  // The list is empty as soon as anything is waited for.
  const entries = [...data.items].map((i) => i.webkitGetAsEntry()).filter((e) => e !== null)
  const found: Sent[] = []
  const walk = async (e: FileSystemEntry, path: string): Promise<void> => {
    if (e.isFile) found.push({ path: path + e.name, file: await new Promise<File>((done, fail) => (e as FileSystemFileEntry).file(done, fail)) })
    else {
      const reader = (e as FileSystemDirectoryEntry).createReader()
      for (;;) {
        const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail))
        if (some.length === 0) return
        for (const s of some) await walk(s, `${path}${e.name}/`)
      }
    }
  }
  for (const e of entries) await walk(e, '')
  return found
}
