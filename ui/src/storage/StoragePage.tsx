import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useRef, useState, type DragEvent } from 'react'
import type { PersistentVolumeClaim } from '../api/kubernetes'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Field } from '../house/Field'
import { Icon } from '../house/Icon'
import { LinkButton } from '../house/LinkButton'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { Bar, Card, Page } from '../house/Page'
import { bytes, count } from '../house/say'
import { StateMark } from '../house/State'
import { Table, type Column } from '../house/Table'
import { Ago } from '../house/Time'
import { problemOf, type ApiError } from '../live/client'
import { claims } from '../live/resource'
import { bucketRights, everywhere, useRights } from '../live/rights'
import { useCollection } from '../live/useLive'
import { TensorboardButton } from '../tensorboard/TensorboardButton'
import { useNamespaces } from '../frame/session'
import { kindNamed } from '../jobs/kinds'
import { Preview } from './Preview'
import { buckets, list, namespaceOf, makeBucket, removeFile, upload, type Entry, type Listing } from './s3'
import house from '../house/house.module.css'
import s from './storage.module.css'

/** A Place is what of the storage is looked at. It stands in the address. */
export interface Place {
  bucket?: string
  prefix?: string
  file?: string
}

/** StoragePage is what jobs read and leave: buckets, the files in them, and volumes. */
export function StoragePage() {
  const { bucket, prefix = '', file } = useSearch({ from: '/storage' })
  if (!bucket)
    return (
      <Page title="Storage" command="aws s3 ls">
        <div className={s.page}>
          <Buckets />
          <Claims />
        </div>
      </Page>
    )
  const parts = prefix.split('/').filter(Boolean)
  return (
    <Page title={file ?? parts.at(-1) ?? bucket} fill command={`aws s3 ls s3://${bucket}/${prefix}`}
      crumbs={
        <>
          <Link to="/storage" search={{}}>Storage</Link> <Icon name="right" size={12} />
          <Link to="/storage" search={{ bucket }}>{bucket}</Link>
          {parts.map((part, i) => (
            <span key={i}><Icon name="right" size={12} /> <Link to="/storage" search={{ bucket, prefix: `${parts.slice(0, i + 1).join('/')}/` }}>{part}</Link></span>
          ))}
        </>
      }>
      {file ? <>{file.endsWith('.py') && <RunIt code={`s3://${bucket}/${prefix}${file}`} />}<Preview bucket={bucket} path={prefix + file} /></> : <Folder key={bucket + prefix} bucket={bucket} prefix={prefix} />}
    </Page>
  )
}

/** RunIt leads to a new job of a program in storage. */
function RunIt({ code }: { code: string }) {
  const { ns } = useSearch({ from: '__root__' })
  const may = useRights(ns ?? everywhere)
  const kind = kindNamed('Job')
  return kind && may('create', kind) ? <div className={house.row}><LinkButton to="/jobs/new" search={{ from: 'storage:jobs', code }} icon="running">Run as a job</LinkButton></div> : null
}

function Buckets() {
  const client = useQueryClient()
  const found = useQuery({ queryKey: ['buckets'], queryFn: ({ signal }) => buckets(signal) })
  const { ns } = useSearch({ from: '__root__' })
  const anywhere = useRights(everywhere)('create', bucketRights)
  const may = useRights(ns ?? everywhere)
  const make = useMutation({ mutationFn: (name: string) => makeBucket(name), onSuccess: () => client.invalidateQueries({ queryKey: ['buckets'] }) })
  return (
    <Card title="Buckets">
      {found.error ? <Problem problem={problemOf(found.error)} what="buckets" retry={() => void found.refetch()} /> : !found.data ? <Loading what="buckets" rows={3} /> : (
        <ul className={s.list}>
          {found.data.map((b) => (
            <li key={b.name}><Icon name="storage" /><Link to="/storage" search={{ bucket: b.name }}>{b.name}</Link><span className={house.muted}>made <Ago at={b.made} /></span></li>
          ))}
          {found.data.length === 0 && <li className={house.muted}>There are none. A bucket holds files that jobs read and write, as S3.</li>}
        </ul>
      )}
      {!may('create', bucketRights) ? <p className={house.muted}><OnlyView may={may} namespace={ns ?? ''} /></p> : <form className={s.make} onSubmit={(e) => { e.preventDefault(); make.mutate(String(new FormData(e.currentTarget).get('name'))); e.currentTarget.reset() }}>
        <Field label="New bucket" error={make.error ? problemOf(make.error).message : undefined} hint={anywhere ? 'small letters, digits and hyphens' : `begins with ${ns}-`}
          render={(p) => <input {...p} name="name" required pattern="[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]" />} />
        <Button type="submit" disabled={make.isPending}>Make</Button>
      </form>}
    </Card>
  )
}

function Claims() {
  const { ns } = useSearch({ from: '__root__' })
  const { items, phase, problem, retry } = useCollection<PersistentVolumeClaim & { metadata: object }>(claims, ns ? { namespace: ns } : {})
  return (
    <Card title="Volumes">
      {problem && phase === 'failed' ? <Problem problem={problem} what="volumes" retry={retry} /> : items.length === 0 ? (
        <p className={house.muted}>{phase === 'loading' ? 'Reading volumes' : 'There are none. A volume is a folder that pods share, which a PersistentVolumeClaim asks for.'}</p>
      ) : (
        <ul className={s.list}>
          {items.map((c) => (
            <li key={c.metadata.uid}>
              <StateMark state={c.status?.phase === 'Bound' ? 'done' : 'waiting'} word={c.status?.phase === 'Bound' ? 'There' : 'Waits for a pod'} />
              <span>{c.metadata.namespace} / {c.metadata.name}</span>
              <span className={house.muted}>{c.status?.capacity?.['storage'] ?? c.spec?.resources?.requests?.['storage']}</span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

function Folder({ bucket, prefix }: { bucket: string; prefix: string }) {
  const { ns } = useSearch({ from: '__root__' })
  const client = useQueryClient()
  const navigate = useNavigate()
  const namespace = namespaceOf(bucket, useNamespaces())
  const may = useRights(namespace)
  const mayChange = may('update', bucketRights)
  const picker = useRef<HTMLInputElement>(null)
  const [question, ask] = useState<Question>()
  const [over, setOver] = useState(false)
  const [sent, setSent] = useState<Record<string, number>>({})
  const listing = useInfiniteQuery<Listing, ApiError, { pages: Listing[] }, string[], string>({
    queryKey: ['files', bucket, prefix],
    queryFn: ({ signal, pageParam }) => list(bucket, prefix, pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.more,
  })
  const read = () => client.invalidateQueries({ queryKey: ['files', bucket, prefix] })
  const put = useMutation({
    mutationFn: async (files: readonly File[]) => {
      for (const file of files) {
        const name = file.webkitRelativePath || file.name
        await upload(bucket, prefix + name, file, (part) => setSent((old) => ({ ...old, [name]: part })))
      }
    },
    onSettled: () => {
      setSent({})
      return read()
    },
  })
  const drop = (e: DragEvent) => {
    e.preventDefault()
    setOver(false)
    if (mayChange) put.mutate([...e.dataTransfer.files])
  }
  const entries = listing.data?.pages.flatMap((p) => p.entries) ?? []
  const open = (e: Entry) => void navigate({ to: '/storage', search: e.folder ? { bucket, prefix: e.key } : { bucket, prefix, file: e.name } })
  const remove = (e: Entry): Question => ({
    title: `Delete ${e.name}?`, text: `The file goes from the bucket ${bucket}, and cannot be had back.`, verb: 'Delete', command: `aws s3 rm s3://${bucket}/${e.key}`,
    act: async () => { await removeFile(bucket, e.key); await read() },
  })
  const columns: readonly Column<Entry>[] = [
    { id: 'name', title: 'Name', width: 'minmax(160px, 1fr)', cell: (e) => <Link to="/storage" search={e.folder ? { bucket, prefix: e.key } : { bucket, prefix, file: e.name }}>{e.name}</Link> },
    { id: 'size', title: 'Size', width: '100px', end: true, cell: (e) => (e.folder ? '' : bytes(e.size)) },
    { id: 'changed', title: 'Changed', width: '130px', end: true, wide: true, cell: (e) => (e.folder ? '' : <Ago at={e.changed} />) },
    { id: 'remove', title: 'Actions', width: '90px', end: true, wide: true, cell: (e) => !e.folder && mayChange && <Button look="quiet" aria-label={`Delete ${e.name}`} onClick={() => ask(remove(e))}>Delete</Button> },
  ]
  return (
    <div className={s.folder} data-over={over || undefined} onDragOver={(e) => { e.preventDefault(); setOver(true) }} onDragLeave={() => setOver(false)} onDrop={drop}>
      <div className={house.row}>
        {mayChange && <Button icon="up" disabled={put.isPending} onClick={() => picker.current?.click()}>Upload</Button>}
        <input ref={picker} disabled={!mayChange} type="file" multiple className="visually-hidden" aria-label="Files to upload" tabIndex={-1} onChange={(e) => { put.mutate([...(e.target.files ?? [])]); e.target.value = '' }} />
        {mayChange ? <span className={house.muted}>or drop files here</span> : <OnlyView may={may} namespace={namespace} />}
        <TensorboardButton namespace={ns ?? 'default'} wanted={{ logspath: `s3://${bucket}/${prefix}` }} />
        {put.error && <span role="alert" className={house.error}>{put.error.message}</span>}
      </div>
      {Object.entries(sent).filter(([, part]) => part < 1).map(([name, part]) => <div key={name} className={s.sending}><span>{name}</span><Bar value={part} label={`Upload of ${name}`} /></div>)}
      {listing.error ? <Problem problem={listing.error} what="files" retry={() => void listing.refetch()} />
        : listing.isPending ? <Loading what="files" />
        : entries.length === 0 ? <Notice icon="storage" title="Nothing lies here">Upload files, or have a job write to <code>s3://{bucket}/{prefix}</code>.</Notice>
        : <Table label="Files" columns={columns} rows={entries} keyOf={(e) => e.key} onOpen={open} />}
      {listing.hasNextPage && <Button onClick={() => void listing.fetchNextPage()}>{`More than ${count(entries.length, 'file')}: show more`}</Button>}
      <Confirm question={question} onClose={() => ask(undefined)} />
    </div>
  )
}
