import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useDeferredValue, useEffect, useMemo, useState } from 'react'
import { useNamespaces } from '../frame/session'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Search } from '../house/Field'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { bytes, count } from '../house/say'
import { sortRows, Table, type Column } from '../house/Table'
import { Ago } from '../house/Time'
import { problemOf, type ApiError } from '../live/client'
import { bucketRights, useRights } from '../live/rights'
import { TensorboardButton } from '../tensorboard/TensorboardButton'
import { goingOf, removeAll, saidOf } from './goes'
import { list, namespaceOf, type Entry, type Listing } from './s3'
import { UploadBox } from './UploadBox'
import house from '../house/house.module.css'

// A folder is read as a whole, so that it can be sorted, unless it is one that nobody looks through.
const mostAtOnce = 50_000

/** Folder lists what lies at a place in a bucket, and takes more. */
export function Folder({ bucket, prefix }: { bucket: string; prefix: string }) {
  const { ns } = useSearch({ from: '__root__' })
  const { q = '', sort = 'name' } = useSearch({ from: '/storage' })
  const client = useQueryClient()
  const navigate = useNavigate({ from: '/storage' })
  const namespace = namespaceOf(bucket, useNamespaces())
  const may = useRights(namespace)
  const mayChange = may('update', bucketRights)
  const [question, ask] = useState<Question>()
  const [selected, select] = useState<ReadonlySet<string>>(new Set())
  const listing = useInfiniteQuery<Listing, ApiError, { pages: Listing[] }, string[], string>({
    queryKey: ['files', bucket, prefix],
    queryFn: ({ signal, pageParam }) => list(bucket, prefix, pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.more,
  })
  const { data, hasNextPage, isFetching, fetchNextPage } = listing
  const entries = useMemo(() => data?.pages.flatMap((p) => p.entries) ?? [], [data])
  useEffect(() => {
    if (hasNextPage && !isFetching && entries.length < mostAtOnce) void fetchNextPage()
  }, [hasNextPage, isFetching, fetchNextPage, entries.length])
  const read = () => client.invalidateQueries({ queryKey: ['files', bucket, prefix] })

  const columns: readonly Column<Entry>[] = useMemo(() => [
    { id: 'name', title: 'Name', width: 'minmax(160px, 1fr)', by: (e) => e.name, cell: (e) => <Link to="/storage" search={placeOf(bucket, prefix, e)}>{e.name}</Link> },
    { id: 'size', title: 'Size', width: '100px', end: true, by: (e) => e.size, cell: (e) => (e.folder ? '' : bytes(e.size)) },
    { id: 'changed', title: 'Changed', width: '130px', end: true, wide: true, by: (e) => e.changed ?? '', cell: (e) => (e.folder ? '' : <Ago at={e.changed} />) },
  ], [bucket, prefix])
  const words = useDeferredValue(q).toLowerCase()
  const order = useMemo(() => ({ column: sort.replace('-down', ''), down: sort.endsWith('-down') }), [sort])
  const shown = useMemo(() => {
    const sorted = sortRows(entries.filter((e) => e.name.toLowerCase().includes(words)), columns, order)
    return [...sorted.filter((e) => e.folder), ...sorted.filter((e) => !e.folder)]
  }, [entries, words, columns, order])
  const chosen = shown.filter((e) => selected.has(e.key))

  const remove = useMutation({
    mutationFn: () => goingOf(bucket, chosen),
    onSuccess: (going) => ask({
      title: chosen.length === 1 ? `Delete ${chosen[0]?.name}?` : `Delete ${count(chosen.length, 'entry', 'entries')}?`,
      text: `From the bucket ${bucket} goes ${saidOf(going)}. It cannot be had back.`,
      verb: 'Delete',
      command: chosen.map((e) => `aws s3 rm ${e.folder ? '--recursive ' : ''}s3://${bucket}/${e.key}`).slice(0, 5).join(' && '),
      act: async () => {
        try {
          await removeAll(bucket, going)
        } finally {
          await read()
        }
      },
    }),
  })
  return (
    <UploadBox bucket={bucket} prefix={prefix} may={mayChange} onEnd={read} tools={
      <>
        {!mayChange && <OnlyView may={may} namespace={namespace} />}
        <TensorboardButton namespace={ns ?? 'default'} wanted={{ logspath: `s3://${bucket}/${prefix}` }} />
        {entries.length > 0 && <Search label="Search files" value={q} onChange={(e) => void navigate({ search: (old) => ({ ...old, q: e.target.value || undefined }), replace: true })} />}
        {mayChange && chosen.length > 0 && <Button look="danger" disabled={remove.isPending} onClick={() => remove.mutate()}>{remove.isPending ? 'Looking what goes…' : `Delete ${chosen.length.toLocaleString('en')}`}</Button>}
        {entries.length > 1 && <span className={house.muted} role="status">{count(entries.length, 'entry', 'entries')}{hasNextPage && ' so far'}</span>}
        {remove.error && <span role="alert" className={house.error}>{problemOf(remove.error).message}</span>}
      </>
    }>
      {listing.error ? <Problem problem={listing.error} what="files" retry={() => void listing.refetch()} />
        : listing.isPending ? <Loading what="files" />
        : entries.length === 0 ? <Notice icon="storage" title="Nothing lies here">Upload files, or have a job write to <code>s3://{bucket}/{prefix}</code>.</Notice>
        : shown.length === 0 ? <Notice title="No file is called so">None of {count(entries.length, 'entry', 'entries')} has it in its name.</Notice>
        : <Table label="Files" columns={columns} rows={shown} keyOf={(e) => e.key} onOpen={(e) => void navigate({ to: '/storage', search: placeOf(bucket, prefix, e) })}
            sort={order} onSort={(to) => void navigate({ search: (old) => ({ ...old, sort: to.column + (to.down ? '-down' : '') }), replace: true })}
            {...(mayChange && { selected, onSelect: select })} />}
      {hasNextPage && entries.length >= mostAtOnce && <Button onClick={() => void fetchNextPage()}>Show more than {count(entries.length, 'entry', 'entries')}</Button>}
      <Confirm question={question} onClose={() => { ask(undefined); select(new Set()) }} />
    </UploadBox>
  )
}

const placeOf = (bucket: string, prefix: string, e: Entry) => (e.folder ? { bucket, prefix: e.key } : { bucket, ...(prefix && { prefix }), file: e.name })
