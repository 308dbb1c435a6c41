import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useNamespaces } from '../frame/session'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Copy } from '../house/Copy'
import { Icon } from '../house/Icon'
import { LinkButton } from '../house/LinkButton'
import { moment } from '../house/say'
import { kindNamed } from '../jobs/kinds'
import { problemOf } from '../live/client'
import { bucketRights, everywhere, useRights } from '../live/rights'
import { Preview } from './Preview'
import { addressOf, linkTo, namespaceOf, removeFile } from './s3'
import house from '../house/house.module.css'
import s from './storage.module.css'

/** FileView is a file: what is in it, and what can be done with it. */
export function FileView({ bucket, path }: { bucket: string; path: string }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const [question, ask] = useState<Question>()
  const may = useRights(namespaceOf(bucket, useNamespaces()))
  const prefix = path.slice(0, path.lastIndexOf('/') + 1)
  const name = path.slice(prefix.length)
  return (
    <div className={s.folder}>
      <div className={house.row}>
        <a href={addressOf(bucket, path)} download className={house.button}><Icon name="download" />Download</a>
        {path.endsWith('.py') && <RunIt code={`s3://${bucket}/${path}`} />}
        <Share key={path} bucket={bucket} path={path} />
        {may('update', bucketRights) && (
          <Button look="quiet" onClick={() => ask({
            title: `Delete ${name}?`, text: `The file goes from the bucket ${bucket}, and cannot be had back.`, verb: 'Delete', command: `aws s3 rm s3://${bucket}/${path}`,
            act: async () => { await removeFile(bucket, path); await client.invalidateQueries({ queryKey: ['files', bucket, prefix] }) },
          })}>Delete</Button>
        )}
      </div>
      <Preview address={addressOf(bucket, path)} path={path} />
      <Confirm question={question} onClose={() => ask(undefined)} onDone={() => void navigate({ to: '/storage', search: { bucket, ...(prefix && { prefix }) } })} />
    </div>
  )
}

const day = 24 * 3600
const spans = [{ seconds: 3600, title: 'an hour' }, { seconds: day, title: 'a day' }, { seconds: 7 * day, title: 'seven days' }] as const

/** Share makes a link by which anyone reads a file for a while. */
function Share({ bucket, path }: { bucket: string; path: string }) {
  const [seconds, last] = useState<number>(day)
  const link = useMutation({ mutationFn: () => linkTo(bucket, path, seconds) })
  return (
    <>
      <select className={house.input} aria-label="The link is good for" value={seconds} onChange={(e) => { last(Number(e.target.value)); link.reset() }}>
        {spans.map((x) => <option key={x.seconds} value={x.seconds}>for {x.title}</option>)}
      </select>
      <Button disabled={link.isPending} onClick={() => link.mutate()}>Make a link</Button>
      {link.error && <span role="alert" className={house.error}>{problemOf(link.error).message}</span>}
      {link.data && (
        <div className={s.link}>
          <code>{link.data.url}</code>
          <Copy text={link.data.url} />
          <span className={house.muted}>Anyone who has it reads this file. It ends {moment(link.data.expires)}, or with your keys for this bucket or your right to it.</span>
        </div>
      )}
    </>
  )
}

/** RunIt leads to a new job of a program in storage. */
function RunIt({ code }: { code: string }) {
  const { ns } = useSearch({ from: '__root__' })
  const may = useRights(ns ?? everywhere)
  const kind = kindNamed('Job')
  return kind && may('create', kind) ? <LinkButton to="/jobs/new" search={{ from: 'storage:jobs', code }} icon="running">Run as a job</LinkButton> : null
}
