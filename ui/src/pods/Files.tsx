import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { Choices } from '../house/Button'
import { Icon } from '../house/Icon'
import { Loading, Notice, Problem } from '../house/Notice'
import { bytes } from '../house/say'
import { Table, type Column } from '../house/Table'
import { Ago } from '../house/Time'
import { call, type ApiError } from '../live/client'
import { Preview } from '../storage/Preview'
import house from '../house/house.module.css'

interface File {
  name: string
  kind: 'file' | 'folder' | 'link' | 'other'
  size: number
  changed: string
}

interface Listing extends File {
  items: File[]
  more?: boolean
}

const from = '/pods/$namespace/$name'

/** Files are those that a running container sees: its image's, and its volumes'. */
export function Files({ namespace, pod, containers, first }: { namespace: string; pod: string; containers: readonly string[]; first: string }) {
  const { container = first, path = '/' } = useSearch({ from })
  const navigate = useNavigate({ from })
  const where = `/weir/files/${[namespace, pod, container].map(encodeURIComponent).join('/')}`
  const at = useQuery<Listing, ApiError>({
    queryKey: ['pod-files', where, path],
    queryFn: ({ signal }) => call('GET', `${where}?${new URLSearchParams({ path })}`, undefined, { signal }),
    retry: false,
  })
  const columns: readonly Column<File>[] = useMemo(() => [
    { id: 'name', title: 'Name', width: 'minmax(160px, 1fr)', cell: (f) => (f.kind === 'other' ? f.name : <Link from={from} search={(old) => ({ ...old, path: below(path, f.name) })}>{f.name}</Link>) },
    { id: 'kind', title: 'Kind', width: '100px', wide: true, cell: (f) => kinds[f.kind] },
    { id: 'size', title: 'Size', width: '100px', end: true, cell: (f) => (f.kind === 'file' ? bytes(f.size) : '') },
    { id: 'changed', title: 'Changed', width: '130px', end: true, wide: true, cell: (f) => <Ago at={f.changed} /> },
  ], [path])
  const items = useMemo(() => [...(at.data?.items ?? [])].sort((a, b) => Number(b.kind === 'folder') - Number(a.kind === 'folder')), [at.data])
  return (
    <>
      <div className={house.row}>
        {containers.length > 1 && <Choices label="Container" value={container} options={containers.map((value) => ({ value, label: value }))} onChange={(to) => void navigate({ search: (old) => ({ ...old, container: to, path: undefined }) })} />}
        <nav aria-label="Folders above" className={house.row}>
          {above(path).map((p) => <Link key={p.path} from={from} search={(old) => ({ ...old, path: p.path === '/' ? undefined : p.path })}>{p.name}</Link>)}
        </nav>
      </div>
      {at.error ? <Problem problem={at.error} what="the files" retry={() => void at.refetch()} />
        : at.isPending ? <Loading what="the files" />
        : at.data.kind === 'file' ? <Content key={path} where={where} path={path} file={at.data} />
        : items.length === 0 ? <Notice icon="storage" title="Nothing lies here" />
        : <Table label="Files" columns={columns} rows={items} keyOf={(f) => f.name} onOpen={(f) => f.kind !== 'other' && void navigate({ search: (old) => ({ ...old, path: below(path, f.name) }) })} />}
      {at.data?.more && <p className={house.muted}>There are more: these are the first {items.length.toLocaleString('en')}.</p>}
    </>
  )
}

const kinds: Record<File['kind'], string> = { file: 'File', folder: 'Folder', link: 'Link', other: 'Other' }

const below = (path: string, name: string) => `${path.replace(/\/+$/, '')}/${name}`

/** above are the root and the folders on the way to a place, with the place itself. */
const above = (path: string) => {
  const names = path.split('/').filter(Boolean)
  return [{ name: '/', path: '/' }, ...names.map((name, i) => ({ name, path: `/${names.slice(0, i + 1).join('/')}` }))]
}

/** Content is a file: what is in it, as far as that can be shown, and the whole to take away. */
function Content({ where, path, file }: { where: string; path: string; file: File }) {
  const address = `${where}/content?${new URLSearchParams({ path })}`
  return (
    <>
      <div className={house.row}>
        <a href={address} download={file.name} className={house.button}><Icon name="download" />Download</a>
        <span className={house.muted}>{bytes(file.size)}, changed <Ago at={file.changed} /></span>
      </div>
      <Preview address={address} path={path} />
    </>
  )
}
