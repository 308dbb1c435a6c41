import { problemOf, send } from '../live/client'
import { pathOf, pods } from '../live/resource'
import { hangUp } from '../live/socket'
import { Book, lastTurn, splitTime, type Entry } from './book'

/** A Source is a container whose log is read. */
export interface Source {
  namespace: string
  pod: string
  container: string
  /** What its lines are marked with, and which colour. */
  label: string
  colour: number
  /** Whether it has begun: before that it has no log. */
  started: boolean
  /** Whether it has ended for good: then its log is read once. */
  ended: boolean
  /** Whether it is what the container printed before it was last started again. */
  previous?: boolean
  /** Where the log is kept, of a pod that is gone. */
  kept?: string
  /** Of which pod it is, if another has its name now. */
  uid?: string
}

export interface LogState {
  book: Book
  /** What is read, as the entries of the book name it by its place. */
  sources: readonly Source[]
  /** Changes with each change of the book. */
  version: number
  /** Sources whose log was not read to its end yet. */
  reading: number
  problem?: string
}

/**
 * A Reader reads the logs of several containers into one book, and goes on as
 * they do. Each comes through a WebSocket, for the reason that Collection gives.
 */
export class Reader {
  private state: LogState = { book: new Book(), sources: [], version: 0, reading: 0 }
  private readonly streams = new Map<string, Stream>()
  private readonly readers = new Set<() => void>()
  private batch: Entry[] = []
  private timer: ReturnType<typeof setTimeout> | undefined

  readonly current = () => this.state

  readonly subscribe = (reader: () => void) => {
    this.readers.add(reader)
    return () => void this.readers.delete(reader)
  }

  /** read reads these sources; one that is read already goes on. */
  read(sources: readonly Source[]) {
    for (const source of sources) {
      const key = `${source.pod}/${source.container}/${source.uid ?? ''}`
      const stream = this.streams.get(key)
      const i = this.streams.size
      if (stream) stream.source = source
      else if (source.started) this.streams.set(key, new Stream(source, (lines) => this.take(lines, i), () => this.tell()))
    }
  }

  close() {
    clearTimeout(this.timer)
    this.streams.forEach((s) => s.close())
  }

  private take(lines: string[], source: number) {
    for (const line of lines) {
      const { time, text } = splitTime(line)
      this.batch.push({ time, text: lastTurn(text), source })
    }
    this.tell()
  }

  private tell() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.state.book.add(this.batch)
      this.batch = []
      const streams = [...this.streams.values()]
      const problem = streams.find((s) => s.problem)?.problem
      this.state = { book: this.state.book, sources: streams.map((s) => s.source), version: this.state.version + 1, reading: streams.filter((s) => !s.over).length, ...(problem && { problem }) }
      this.readers.forEach((r) => r())
    }, 50)
  }
}

class Stream {
  over = false
  problem = ''
  private last = ''
  private socket: WebSocket | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private rest = 500
  private readonly aborter = new AbortController()

  constructor(
    public source: Source,
    private readonly take: (lines: string[]) => void,
    private readonly changed: () => void,
  ) {
    this.open()
  }

  close() {
    clearTimeout(this.timer)
    this.aborter.abort()
    if (this.socket) hangUp(this.socket)
  }

  /** fetch reads a log to which nothing is added any more, from where it was read before. */
  private async fetch(path: string) {
    const { signal } = this.aborter
    const since = this.last
    try {
      const reader = (await send('GET', path, undefined, { signal })).body?.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (let more = await reader?.read(); more?.value !== undefined; more = await reader?.read()) {
        const lines = (rest + more.value).split('\n')
        rest = lines.pop() ?? ''
        this.take(after(lines, since))
      }
    } catch (error) {
      if (signal.aborted) return
      this.problem = `The log of ${this.source.label} cannot be read: ${problemOf(error).message}`
    }
    this.over = true
    this.changed()
  }

  private open() {
    if (this.source.kept) return void this.fetch(this.source.kept)
    const { namespace, pod, container, previous = false } = this.source
    const query = new URLSearchParams({ container, follow: String(!previous), previous: String(previous), timestamps: 'true' })
    if (this.last !== '') query.set('sinceTime', `${this.last}Z`)
    const address = new URL(`${pathOf(pods, namespace, pod)}/log?${query}`, location.href)
    address.protocol = address.protocol.replace('http', 'ws')
    const socket = (this.socket = new WebSocket(address, 'binary.k8s.io'))
    socket.binaryType = 'arraybuffer'
    const decoder = new TextDecoder()
    let rest = ''
    let opened = false
    const since = this.last // what came at this moment came before
    socket.onopen = () => { opened = true; this.problem = '' }
    socket.onmessage = (message) => {
      this.rest = 500
      const lines = (rest + decoder.decode(message.data as ArrayBuffer, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      const fresh = after(lines, since)
      const last = fresh.at(-1)
      if (last === undefined) return
      this.last = splitTime(last).time || this.last
      this.take(fresh)
    }
    socket.onclose = () => {
      if (rest !== '') this.take([rest])
      if (this.source.kept) return void this.fetch(this.source.kept)
      if (opened && this.source.ended) {
        this.over = true
        this.changed()
        return
      }
      if (!opened) this.problem = `The log of ${this.source.label} cannot be read now.`
      this.changed()
      this.rest = Math.min(10_000, this.rest * 2)
      this.timer = setTimeout(() => this.open(), this.rest)
    }
  }
}

const after = (lines: string[], since: string) => (since === '' ? lines : lines.filter((l) => splitTime(l).time > since))
