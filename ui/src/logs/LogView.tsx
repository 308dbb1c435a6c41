import { useVirtualizer } from '@tanstack/react-virtual'
import { useDeferredValue, useEffect, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent, type ReactNode } from 'react'
import { Button, IconButton } from '../house/Button'
import { Search } from '../house/Field'
import { Loading, Notice } from '../house/Notice'
import { save } from '../house/save'
import { count } from '../house/say'
import { pieces } from './ansi'
import { Finder, isError, type Entry } from './book'
import { Reader, type Source } from './reader'
import house from '../house/house.module.css'
import s from './logs.module.css'

const lineHeight = 20

/** LogView shows the logs of several containers together, and follows them until one scrolls away. */
export function LogView({ name, sources, choice }: { name: string; sources: readonly Source[]; choice?: ReactNode }) {
  const reader = useMemo(() => new Reader(), [])
  useEffect(() => () => reader.close(), [reader])
  useEffect(() => reader.read(sources), [reader, sources])
  const { book, sources: read, version, reading, problem } = useSyncExternalStore(reader.subscribe, reader.current)

  const [query, setQuery] = useState('')
  const [times, setTimes] = useState(false)
  const [wrap, setWrap] = useState(false)
  const [following, follow] = useState(true)
  const [at, setAt] = useState(-1)
  const box = useRef<HTMLDivElement>(null)

  const wanted = useDeferredValue(query.toLowerCase())
  const finder = useMemo(() => (wanted === '' ? undefined : new Finder((text) => text.toLowerCase().includes(wanted))), [wanted])
  const errors = useMemo(() => new Finder(isError), [])
  // The version says that the book has changed, which is one object throughout.
  const hits = useMemo(() => (version >= 0 && finder ? [...finder.look(book)] : []), [finder, book, version])
  const firstError = useMemo(() => (version >= 0 ? errors.look(book)[0] : undefined), [errors, book, version])

  const virtual = useVirtualizer({ count: book.entries.length, getScrollElement: () => box.current, estimateSize: () => lineHeight, overscan: 30 })
  useEffect(() => {
    if (following && book.entries.length > 0) virtual.scrollToIndex(book.entries.length - 1, { align: 'end' })
  }, [following, version, virtual, book])

  const show = (line: number | undefined) => {
    if (line === undefined) return
    follow(false)
    setAt(line)
    virtual.scrollToIndex(line, { align: 'center' })
  }
  const step = (by: number) => {
    const here = hits.indexOf(at)
    show(hits[here < 0 ? (by > 0 ? 0 : hits.length - 1) : (here + by + hits.length) % hits.length])
  }
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== 'Enter' || hits.length === 0) return
    e.preventDefault()
    step(e.shiftKey ? -1 : 1)
  }
  const download = () => {
    const lines = book.entries.map((e) => `${e.time} ${read[e.source]?.label ?? ''} ${e.text}\n`)
    save(`${name}.log`, new Blob(lines, { type: 'text/plain' }))
  }

  return (
    <div className={s.view} data-keys={undefined}>
      <div className={house.row}>
        {choice}
        <Search label="Search the logs" value={query} onChange={(e) => { setQuery(e.target.value); setAt(-1) }} onKeyDown={onKeyDown} />
        {wanted !== '' && (
          <>
            <span role="status" className={house.muted}>{hits.length === 0 ? 'no match' : `${hits.includes(at) ? `${hits.indexOf(at) + 1} of ` : ''}${count(hits.length, 'match', 'matches')}`}</span>
            <IconButton icon="up" label="Match before" disabled={hits.length === 0} onClick={() => step(-1)} />
            <IconButton icon="down" label="Next match" disabled={hits.length === 0} onClick={() => step(1)} />
          </>
        )}
        {firstError !== undefined && <Button look="quiet" icon="alert" onClick={() => show(firstError)}>First error</Button>}
        <label className={s.option}><input type="checkbox" checked={times} onChange={(e) => setTimes(e.target.checked)} />Times</label>
        <label className={s.option}><input type="checkbox" checked={wrap} onChange={(e) => setWrap(e.target.checked)} />Wrap</label>
        <Button look="quiet" icon="download" onClick={download} disabled={book.entries.length === 0}>Download</Button>
        <span className={s.end}>
          <span className={house.muted}>{count(book.entries.length, 'line')}</span>
          {reading > 0 && !following && <Button icon="down" onClick={() => follow(true)}>Follow</Button>}
        </span>
      </div>
      {problem && <p role="status" className={house.muted}>{problem}</p>}
      {book.entries.length === 0 ? (
        sources.some((x) => x.started) && reading > 0 && version < 40 ? <Loading what="logs" /> : (
          <Notice title="Nothing has been printed yet">Lines appear here as the replicas print them.</Notice>
        )
      ) : (
        <div className={s.frame}>
          <div ref={box} className={s.lines} data-wrap={wrap || undefined} tabIndex={0} role="log" aria-label={`Logs of ${name}`} aria-live="off"
            onWheel={(e) => e.deltaY < 0 && follow(false)}
            onKeyDown={(e) => ['ArrowUp', 'PageUp', 'Home'].includes(e.key) && follow(false)}
            onScroll={(e) => { const t = e.currentTarget; if (t.scrollHeight - t.scrollTop - t.clientHeight < lineHeight / 2 && reading > 0) follow(true) }}>
            <div style={{ height: virtual.getTotalSize() }}>
              {virtual.getVirtualItems().map((v) => {
                const e = book.entries[v.index]
                return e && (
                  <div key={v.index} ref={wrap ? virtual.measureElement : undefined} data-index={v.index} className={s.line} data-at={v.index === at || undefined}
                    data-error={isError(e.text) || undefined} style={{ transform: `translateY(${v.start}px)` }}>
                    {read.length > 1 && <span className={s.source}><i data-series={(read[e.source]?.colour ?? 0) % 8} />{read[e.source]?.label}</span>}
                    {times && <time>{e.time.slice(11, 23)}</time>}
                    <Text entry={e} wanted={wanted} />
                  </div>
                )
              })}
            </div>
          </div>
          <Marks hits={hits} of={book.entries.length} onShow={show} />
        </div>
      )}
    </div>
  )
}

function Text({ entry, wanted }: { entry: Entry; wanted: string }) {
  return (
    <span className={s.text}>
      {pieces(entry.text).map((p, i) => (
        <span key={i} data-colour={p.colour} data-bold={p.bold} data-faint={p.faint}>{wanted === '' ? p.text : marked(p.text, wanted)}</span>
      ))}
    </span>
  )
}

function marked(text: string, wanted: string) {
  const parts = []
  const lower = text.toLowerCase()
  let from = 0
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>)
    from = at + wanted.length
  }
  parts.push(text.slice(from))
  return parts
}

// Beside the scroll bar: where matches are, at most as many as can be told apart.
function Marks({ hits, of, onShow }: { hits: readonly number[]; of: number; onShow: (line: number) => void }) {
  const places = new Map<number, number>()
  for (const hit of hits) {
    const place = Math.floor((hit / of) * 200)
    if (!places.has(place)) places.set(place, hit)
  }
  return (
    <div className={s.marks} aria-hidden="true">
      {[...places].map(([place, hit]) => <i key={place} style={{ top: `${place / 2}%` }} onClick={() => onShow(hit)} />)}
    </div>
  )
}
