/** An Entry is a line that a container printed. */
export interface Entry {
  /** When, as RFC 3339 in UTC without its Z: so it sorts as text does. */
  time: string
  text: string
  /** Which of the sources it came from. */
  source: number
}

/**
 * A Book holds the lines of several logs in the order of their times. Lines that
 * come later than others but are earlier are put where they belong.
 */
export class Book {
  readonly entries: Entry[] = []
  /** Counts how often lines were put before others: what was said of their numbers is then no longer so. */
  turns = 0

  add(batch: Entry[]) {
    if (batch.length === 0) return
    batch.sort((a, b) => compare(a.time, b.time))
    const first = batch[0]?.time ?? ''
    let at = this.entries.length
    while (at > 0 && compare(this.entries[at - 1]?.time ?? '', first) > 0) at--
    if (at === this.entries.length) {
      for (const e of batch) this.entries.push(e)
      return
    }
    this.turns++
    const tail = this.entries.splice(at)
    let i = 0
    let j = 0
    while (i < tail.length || j < batch.length) {
      const [a, b] = [tail[i], batch[j]]
      if (a && (!b || compare(a.time, b.time) <= 0)) {
        this.entries.push(a)
        i++
      } else if (b) {
        this.entries.push(b)
        j++
      }
    }
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/**
 * splitTime takes apart what the API server sends of each line: its time and its
 * text. The time loses its Z: before .51Z comes .5Z, but as text it would not.
 */
export function splitTime(line: string): { time: string; text: string } {
  const space = line.indexOf(' ')
  const time = space > 0 ? line.slice(0, space) : ''
  return /^\d{4}-\d\d-\d\dT.*Z$/.test(time) ? { time: time.slice(0, -1), text: line.slice(space + 1) } : { time: '', text: line }
}

/** A Finder finds a text in a book that grows, without looking at old lines again. */
export class Finder {
  readonly hits: number[] = []
  private upTo = 0
  private turns = 0

  constructor(private readonly matches: (text: string) => boolean) {}

  look(book: Book): readonly number[] {
    if (book.turns !== this.turns) {
      this.hits.length = 0
      this.upTo = 0
      this.turns = book.turns
    }
    for (; this.upTo < book.entries.length; this.upTo++) if (this.matches(book.entries[this.upTo]?.text ?? '')) this.hits.push(this.upTo)
    return this.hits
  }
}

/** isError tells whether a line looks as if something went wrong. */
export const isError = (text: string) => /(error|exception|traceback|fatal|panic|segmentation fault)\b|\bkilled\b/i.test(text) && !/\b(0|no) errors?\b/i.test(text)

/** lastTurn is what remains of a line that draws over itself, as progress bars do. */
export function lastTurn(text: string): string {
  const end = text.endsWith('\r') ? text.slice(0, -1) : text
  return end.slice(end.lastIndexOf('\r') + 1)
}
