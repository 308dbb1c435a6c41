import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { useMemo, useRef, useState } from 'react'
import type { Event, Pod } from '../api/kubernetes'
import { useReach } from '../frame/session'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Search } from '../house/Field'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { Card, Page } from '../house/Page'
import { bytes, count } from '../house/say'
import { Ago } from '../house/Time'
import { call, notHere, problemOf, send, type ApiError } from '../live/client'
import { events, pods } from '../live/resource'
import { environmentRights, everywhere, imageRights, useRights } from '../live/rights'
import { useCollection } from '../live/useLive'
import { podLink } from '../paths'
import { buildsOf, usersOf, type Environment, type Image, type Recipe } from './read'
import house from '../house/house.module.css'
import s from './images.module.css'

/** Users are the pods of images and environments; undefined while they are not known. */
type Users = ReturnType<typeof usersOf> | undefined

/** ImagesPage is what pods run in: images, environments that stand for images, and what is being made of both. */
export function ImagesPage() {
  const { ns = '' } = useSearch({ from: '__root__' })
  const reach = useReach()
  const may = useRights(everywhere)
  const mine = useRights(ns || everywhere)
  const all = useCollection<Pod & { metadata: object }>(pods, reach ? { namespace: reach } : {})
  const unknown = all.items.length === 0 && all.phase !== 'live'
  const users = useMemo(() => (unknown ? undefined : usersOf(all.items)), [unknown, all.items])
  const [question, ask] = useState<Question>()
  return (
    <Page title="Images" command="weir image list" actions={mine('delete', imageRights) ? undefined : <OnlyView may={mine} namespace={ns} />}>
      <div className={s.page}>
        <Builds pods={all.items} namespace={reach} />
        <Images namespace={ns} users={users} ask={ask} mayLoad={may('update', imageRights)} mayRemove={mine('delete', imageRights)} />
        {may('list', environmentRights) ? <Environments users={users} ask={ask} /> : may.known && (
          <Notice title="Environments are of the whole weir">An environment is a Python with packages that stands for an image. Those who have the role cluster-admin see them here.</Notice>
        )}
      </div>
      <Confirm question={question} onClose={() => ask(undefined)} />
    </Page>
  )
}

function Builds({ pods: all, namespace }: { pods: readonly (Pod & { metadata: object })[]; namespace: string }) {
  const told = useCollection<Event & { metadata: object }>(events, namespace ? { namespace } : {})
  const builds = useMemo(() => buildsOf(all, told.items), [all, told.items])
  if (builds.length === 0) return null
  return (
    <Card title={`Being made: ${builds.length}`}>
      <ul className={s.builds}>
        {builds.map((b) => (
          <li key={`${b.namespace}/${b.pod}`}>
            For <Link {...podLink(b.namespace, b.pod)}>{b.pod}</Link>
            <ol aria-label={`What is made for ${b.pod}`} tabIndex={0}>{b.lines.map((l) => <li key={l.key}>{l.text}</li>)}</ol>
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Images({ namespace, users, ask, mayLoad, mayRemove }: { namespace: string; users: Users; ask: (q: Question) => void; mayLoad: boolean; mayRemove: boolean }) {
  const client = useQueryClient()
  const file = useRef<HTMLInputElement>(null)
  const images = useQuery<Image[], ApiError>({
    queryKey: ['images', namespace],
    queryFn: async ({ signal }) => (await call<{ items: Image[] }>('GET', `/weir/images?${new URLSearchParams({ namespace })}`, undefined, { signal })).items,
    refetchInterval: 15_000, // Images are no objects that could be watched.
  })
  const read = () => client.invalidateQueries({ queryKey: ['images'] })
  const load = useMutation({
    mutationFn: async (archive: File) => (await (await send('POST', '/weir/images', archive, { type: 'application/x-tar' })).json()) as { loaded: string[] },
    onSuccess: read,
  })
  const remove = (i: Image): Question => ({
    title: `Remove ${i.name}?`,
    text: i.pulled ? 'It can be pulled again from its registry.' : 'Unless another name means it, it cannot be had back. Pods that run it go on.',
    verb: 'Remove',
    command: `weir image remove ${i.name}`,
    act: async () => {
      await send('DELETE', `/weir/images?${new URLSearchParams({ name: i.name })}`)
      await read()
    },
  })
  return (
    <Card title="Images of containers" flush={Boolean(images.data?.length) && !load.error && !load.data} end={mayLoad && !notHere(images.error) && (
      <>
        <input ref={file} type="file" className={s.hidden} aria-label="Archive of images" accept=".tar,.gz,.tgz,.zst" onChange={(e) => { const f = e.target.files?.[0]; if (f) load.mutate(f); e.target.value = '' }} />
        <Button icon="plus" disabled={load.isPending} onClick={() => file.current?.click()}>{load.isPending ? 'Loading…' : 'Load an archive'}</Button>
      </>
    )}>
      {load.error && <Notice tone="failed" icon="alert" title="The archive was not loaded">{problemOf(load.error).message}</Notice>}
      {load.data && <p role="status" className={house.muted}>Loaded {load.data.loaded.join(', ')}.</p>}
      {images.error ? <Problem problem={images.error} what="images" retry={() => void images.refetch()} /> : !images.data ? <Loading what="images" rows={3} />
        : images.data.length === 0 ? (
          <p className={house.muted}>{namespace ? `There are none of ${namespace}.` : 'There are none.'} An image is a file system with a program in it, as Docker makes them. Build one with <code>weir image build</code>, push one to this address, or name one in a pod.</p>
        ) : (
          <div className={s.scroll}>
            <table>
              <thead><tr><th>Image</th><th data-end>Size</th><th data-end data-wide>Made</th><th>Used by</th><th><span className="visually-hidden">Actions</span></th></tr></thead>
              <tbody>
                {images.data.map((i) => (
                  <tr key={i.name}>
                    <td>{i.name}<small>{i.pulled ? 'pulled' : 'kept here'}, {i.id.slice(7, 19)}</small></td>
                    <td data-end>{bytes(i.size)}{i.unpacked ? <small>{bytes(i.unpacked)} unpacked</small> : null}</td>
                    <td data-end data-wide><Ago at={i.made} /></td>
                    <td><UsedBy id={i.id} users={users} /></td>
                    <td data-end>{mayRemove && <Button aria-label={`Remove ${i.name}`} onClick={() => ask(remove(i))}>Remove</Button>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </Card>
  )
}

function Environments({ users, ask }: { users: Users; ask: (q: Question) => void }) {
  const client = useQueryClient()
  const [wanted, search] = useState('')
  const known = useQuery<{ catalogue: Recipe[]; built: Environment[] }, ApiError>({
    queryKey: ['environments'], queryFn: ({ signal }) => call('GET', '/weir/environments', undefined, { signal }), refetchInterval: 15_000,
  })
  const remove = (e: Environment): Question => ({
    title: `Remove the environment of ${e.image}?`,
    text: 'The next pod that needs it has it built again, which takes a while.',
    verb: 'Remove',
    command: `weir environment remove ${e.id.slice(7, 19)}`,
    act: async () => {
      await send('DELETE', `/weir/environments/${e.id}`)
      await client.invalidateQueries({ queryKey: ['environments'] })
    },
  })
  const found = known.data?.catalogue.filter((r) => `${r.image} ${r.means}`.toLowerCase().includes(wanted.toLowerCase())) ?? []
  if (known.error) return <Problem problem={known.error} what="environments" retry={() => void known.refetch()} />
  if (!known.data) return <Loading what="environments" rows={3} />
  return (
    <>
      <Card title="Environments" flush={known.data.built.length > 0}>
        {known.data.built.length === 0 ? <p className={house.muted}>None is built. An environment is a Python with packages that stands for an image, and is built when the first pod needs it.</p> : (
          <div className={s.scroll}>
            <table>
              <thead><tr><th>First built for</th><th data-wide>Python</th><th data-end>Size</th><th data-end data-wide>Built</th><th>Used by</th><th><span className="visually-hidden">Actions</span></th></tr></thead>
              <tbody>
                {known.data.built.map((e) => (
                  <tr key={e.id}>
                    <td>{e.image}<details><summary>{count(e.packages?.length ?? 0, 'package')}</summary><small>{e.packages?.join(', ')}</small></details></td>
                    <td data-wide>{e.python}</td>
                    <td data-end>{bytes(e.size)}</td>
                    <td data-end data-wide><Ago at={e.built} /></td>
                    <td><UsedBy id={e.id} users={users} /></td>
                    <td data-end>{users?.has(e.id) ? <small>in use</small> : <Button aria-label={`Remove the environment of ${e.image}`} onClick={() => ask(remove(e))}>Remove</Button>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
      <Card title="What images mean" flush end={<Search label="Search the catalogue" value={wanted} onChange={(e) => search(e.target.value)} />}>
        <div className={s.scroll}>
          <table>
            <thead><tr><th>Image</th><th>Means</th><th>Said by</th></tr></thead>
            <tbody>{found.map((r) => <tr key={`${r.from} ${r.image}`}><td>{r.image}</td><td>{r.means}</td><td>{r.from}</td></tr>)}</tbody>
          </table>
          {found.length === 0 && <p className={s.none}>No entry has this in it. <code>weir environment add</code> makes one.</p>}
        </div>
      </Card>
    </>
  )
}

function UsedBy({ id, users }: { id: string; users: Users }) {
  const [first, ...rest] = users?.get(id) ?? []
  if (!users) return <span className={house.muted}>not known</span>
  if (!first) return <span className={house.muted}>no pod</span>
  return <><Link {...podLink(first.namespace, first.name)}>{first.name}</Link>{rest.length > 0 && ` and ${rest.length} more`}</>
}
