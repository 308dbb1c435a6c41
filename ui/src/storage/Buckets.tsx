import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Field } from '../house/Field'
import { Icon } from '../house/Icon'
import { Loading, OnlyView, Problem } from '../house/Notice'
import { Card } from '../house/Page'
import { Ago } from '../house/Time'
import { notHere, problemOf } from '../live/client'
import { bucketRights, everywhere, useRights } from '../live/rights'
import { goingOf, removeAll, saidOf } from './goes'
import { buckets, makeBucket } from './s3'
import house from '../house/house.module.css'
import s from './storage.module.css'

/** Buckets are those that one may look into. */
export function Buckets() {
  const client = useQueryClient()
  const found = useQuery({ queryKey: ['buckets'], queryFn: ({ signal }) => buckets(signal) })
  const { ns } = useSearch({ from: '__root__' })
  const anywhere = useRights(everywhere)('create', bucketRights)
  const may = useRights(ns ?? everywhere)
  const make = useMutation({ mutationFn: (name: string) => makeBucket(name), onSuccess: () => client.invalidateQueries({ queryKey: ['buckets'] }) })
  const [question, ask] = useState<Question>()
  const count = useMutation({
    mutationFn: async (bucket: string) => ({ bucket, going: await goingOf(bucket, [{ key: '', name: bucket, folder: true, size: 0 }]) }),
    onSuccess: ({ bucket, going }) => ask({
      title: `Delete the bucket ${bucket}?`,
      text: going.keys.length === 0 ? 'Nothing lies in it.' : `${saidOf(going)}. All of it goes, and cannot be had back.`,
      verb: 'Delete',
      command: `aws s3 rb s3://${bucket}${going.keys.length > 0 ? ' --force' : ''}`,
      act: async () => { await removeAll(bucket, going, true); await client.invalidateQueries({ queryKey: ['buckets'] }) },
    }),
  })
  return (
    <Card title="Buckets">
      {found.error ? <Problem problem={problemOf(found.error)} what="buckets" retry={() => void found.refetch()} /> : !found.data ? <Loading what="buckets" rows={3} /> : (
        <ul className={s.list}>
          {found.data.map((b) => (
            <li key={b.name}><Icon name="storage" /><Link to="/storage" search={{ bucket: b.name }}>{b.name}</Link><span className={house.muted}>made <Ago at={b.made} /></span>
              {may('delete', bucketRights) && <Button look="quiet" aria-label={`Delete ${b.name}`} disabled={count.isPending} onClick={() => count.mutate(b.name)}>Delete</Button>}
            </li>
          ))}
          {found.data.length === 0 && <li className={house.muted}>There are none. A bucket holds files that jobs read and write, as S3.</li>}
        </ul>
      )}
      {count.error && <p role="alert" className={house.error}>{problemOf(count.error).message}</p>}
      <Confirm question={question} onClose={() => ask(undefined)} />
      {notHere(found.error) ? null : !may('create', bucketRights) ? <p className={house.muted}><OnlyView may={may} namespace={ns ?? ''} /></p> : <form className={s.make} onSubmit={(e) => { e.preventDefault(); make.mutate(String(new FormData(e.currentTarget).get('name'))); e.currentTarget.reset() }}>
        <Field label="New bucket" error={make.error ? problemOf(make.error).message : undefined} hint={anywhere ? 'small letters, digits and hyphens' : `begins with ${ns}-`}
          render={(p) => <input {...p} name="name" required pattern="[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]" />} />
        <Button type="submit" disabled={make.isPending}>Make</Button>
      </form>}
    </Card>
  )
}
