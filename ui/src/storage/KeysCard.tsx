import { useMutation, useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useNamespaces } from '../frame/session'
import { Button, Choices } from '../house/Button'
import { Copy } from '../house/Copy'
import { Field } from '../house/Field'
import { Card } from '../house/Page'
import { moment } from '../house/say'
import { notHere, problemOf } from '../live/client'
import { buckets, keysFor, namespaceOf, takeBackKeys } from './s3'
import { snippets } from './snippets'
import house from '../house/house.module.css'
import s from './storage.module.css'

/** KeysCard gives one's own keys of S3, and what to paste so that a program uses them. */
export function KeysCard() {
  const { ns } = useSearch({ from: '__root__' })
  const namespaces = useNamespaces()
  const [chosen, choose] = useState<string>()
  const namespace = chosen ?? ns ?? (namespaces.includes('default') ? 'default' : (namespaces[0] ?? ''))
  const [id, show] = useState(snippets[0]?.id ?? '')
  const known = useQuery({ queryKey: ['buckets'], queryFn: ({ signal }) => buckets(signal) })
  const keys = useMutation({ mutationFn: () => keysFor(namespace) })
  const back = useMutation({ mutationFn: () => takeBackKeys(namespace), onSuccess: () => keys.reset() })
  const bucket = known.data?.find((b) => namespaceOf(b.name, namespaces) === namespace)?.name ?? `${namespace}-data`
  const text = keys.data && snippets.find((x) => x.id === id)?.text(keys.data, bucket)
  const problem = keys.error ?? back.error
  if (notHere(known.error)) return null
  return (
    <Card title="Keys for programs">
      <div className={s.choice}>
        <Field label="For the buckets of" hint={keys.data ? undefined : 'They are yours, and do there what you may. Whoever has them is you.'} render={(p) => (
          <select {...p} value={namespace} onChange={(e) => { choose(e.target.value); keys.reset() }}>{namespaces.map((n) => <option key={n}>{n}</option>)}</select>
        )} />
        {keys.data ? <Button disabled={back.isPending} onClick={() => back.mutate()}>Take them back</Button>
          : <Button disabled={keys.isPending || namespace === ''} onClick={() => keys.mutate()}>Show my keys</Button>}
      </div>
      {problem && <p role="alert" className={house.error}>{problemOf(problem).message}</p>}
      {text && keys.data && (
        <div className={s.snippet}>
          <div className={house.row}>
            <Choices label="For" value={id} onChange={show} options={snippets.map((x) => ({ value: x.id, label: x.title }))} />
            <Copy text={text} />
          </div>
          <pre className={s.text} tabIndex={0} aria-label="To paste">{text}</pre>
          {keys.data.expires && <p className={house.muted}>They end {moment(keys.data.expires)}, unless you look at them again before.</p>}
        </div>
      )}
    </Card>
  )
}
