import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { ChartGrid } from '../curves/ChartGrid'
import { linesOf, type Answer } from '../curves/series'
import { Loading, Notice, Problem } from '../house/Notice'
import { bytes, count } from '../house/say'
import { problemOf, send } from '../live/client'
import { rowsOf } from './csv'
import { modelOf } from './keras'
import { arraysOf } from './numpy'
import { sourceOf } from './ranges'
import { previewOf, type Kind } from './s3'
import house from '../house/house.module.css'
import s from './storage.module.css'

const mostText = 256 * 1024
const mostRows = 500
const mostEvents = 32 << 20

/** A File is one in a bucket or a container, as a preview reads it. */
interface File {
  /** Where the browser reads it, in parts. */
  address: string
  path: string
  signal: AbortSignal
}

/** Preview shows what is in a file, as far as it can be shown. */
export function Preview({ address, path }: Pick<File, 'address' | 'path'>) {
  const kind = previewOf(path)
  const shown = useQuery({
    queryKey: ['file', address],
    queryFn: ({ signal }) => show[kind]({ address, path, signal }),
    retry: false,
  })
  return (
    <>
      {shown.error && <Problem problem={problemOf(shown.error)} what="this file" />}
      {shown.isLoading && <Loading what="the file" />}
      {shown.data}
    </>
  )
}

// How each kind of file is read and shown.
const show: Record<Kind, (f: File) => Promise<ReactNode>> = {
  none: (f) => Promise.resolve(
    <Notice title="There is no preview of such a file">
      {/\.(h5|hdf5)$/i.test(f.path) ? 'It is in HDF5, which is not looked into here; a model that Keras saves as .keras is.' : 'Download it to look into it.'}
    </Notice>,
  ),

  // Of a drawing the browser must be told that it is one, which a store may not know.
  image: (f) => (!/\.svg$/i.test(f.path) ? Promise.resolve(<Picture of={f.address} name={f.path} />)
    : beginning(f, ({ text, whole }) => whole ? <Picture of={`data:image/svg+xml,${encodeURIComponent(text)}`} name={f.path} /> : (
      <Notice title="The drawing is too large to be shown">Download it to look at it.</Notice>
    ))),

  text: (f) => beginning(f, ({ text, note }) => <>{note}<pre className={s.text} tabIndex={0}>{text}</pre></>),

  json: (f) => beginning(f, ({ text, note, whole }) => <>{note}<pre className={s.text} tabIndex={0}>{whole ? pretty(text) : text}</pre></>),

  table: (f) => beginning(f, ({ text, whole }) => {
    const [head = [], ...rows] = rowsOf(text, /\.tsv$/i.test(f.path) ? '\t' : ',', mostRows + 1, whole)
    return <Sheet label={f.path} head={head} rows={rows} note={`${!whole || rows.length === mostRows ? 'The first ' : ''}${count(rows.length, 'row')}, ${count(head.length, 'column')}`} />
  }),

  numpy: async (f) => {
    const arrays = await arraysOf(f.path.split('/').at(-1) ?? f.path, sourceOf(f.address, f.signal))
    return (
      <Sheet label="Arrays" note={count(arrays.length, 'array')} head={['Array', 'Shape', 'Type', 'Numbers', 'Order']}
        rows={arrays.map((a) => [a.name, `(${a.shape.join(', ')})`, a.type, a.shape.reduce((n, d) => n * d, 1).toLocaleString('en'), a.fortran ? 'by columns' : 'by rows'])} />
    )
  },

  keras: async (f) => {
    const model = await modelOf(sourceOf(f.address, f.signal))
    return (
      <Sheet label="Layers" note={`${model.kind} ${model.name}: ${count(model.layers.length, 'layer')}${model.keras ? `, saved by Keras ${model.keras}` : ''}`}
        head={['Layer', 'Kind', 'Input', 'Settings']} rows={model.layers.map((l) => [l.name, l.kind, l.input, l.said])} />
    )
  },

  scalars: async (f) => {
    const { bytes: data, size } = await sourceOf(f.address, f.signal).read(0, mostEvents)
    const read = await (await send('POST', '/weir/scalars', new Uint8Array(data), { signal: f.signal, type: 'application/octet-stream' })).json() as Pick<Answer['replicas'][number], 'series'> & { damage?: string }
    const lines = linesOf({ replicas: [{ name: f.path.split('/').at(-2) || f.path, series: read.series }] })
    return (
      <>
        {size > data.length && <p className={house.muted}>From the first {bytes(data.length)} of {bytes(size)}.</p>}
        {read.damage && <p role="alert" className={house.error}>Not all of it could be read: {read.damage}</p>}
        {lines.length === 0 ? <Notice title="There are no scalars in it">Images, histograms and texts are shown by TensorBoard: open it on the folder.</Notice>
          : <div className={s.sheet}><ChartGrid lines={lines} axis="step" log={false} smoothing={0} /></div>}
      </>
    )
  },
}

const Picture = ({ of, name }: { of: string; name: string }) => <img src={of} alt={name} className={s.image} />

/** beginning shows the first part of a file as text. */
async function beginning(f: File, shown: (t: { text: string; whole: boolean; note: ReactNode }) => ReactNode): Promise<ReactNode> {
  const { bytes: data, size } = await sourceOf(f.address, f.signal).read(0, mostText)
  if (size === 0) return <Notice title="The file is empty" />
  const whole = size <= data.length
  return shown({ text: new TextDecoder().decode(data), whole, note: !whole && <p className={house.muted}>The first {bytes(data.length)} of {bytes(size)}</p> })
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text // It is shown as it is.
  }
}

function Sheet({ label, note, head, rows }: { label: string; note: string; head: readonly string[]; rows: readonly (readonly string[])[] }) {
  return (
    <>
      <p className={house.muted}>{note}</p>
      <div className={s.sheet} tabIndex={0} role="region" aria-label={label}>
        <table className={s.table}>
          <thead><tr>{head.map((h, i) => <th key={i} scope="col">{h}</th>)}</tr></thead>
          <tbody>{rows.map((row, i) => <tr key={i}>{head.map((_, j) => <td key={j}>{row[j] ?? ''}</td>)}</tr>)}</tbody>
        </table>
      </div>
    </>
  )
}
