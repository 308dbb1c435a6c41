import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Field } from '../../house/Field'
import { Loading, Problem } from '../../house/Notice'
import { call, problemOf } from '../../live/client'
import { write, type Manifest } from './manifest'
import { fieldsOf, titleOf, valueAt, valueOf, type Document, type Entry } from './schema'
import s from './new.module.css'

/** MoreFields are all fields of a job's kind that its schema knows, read from the API server when they are unfolded. */
export function MoreFields({ manifest, types, change, wrong }: {
  manifest: Manifest
  types: readonly string[]
  change: (text: string) => void
  wrong: (path: string) => string | undefined
}) {
  const [open, unfold] = useState(false)
  const kind = manifest.kind
  const group = kind ? `${kind.group}/${kind.version}` : ''
  const schema = useQuery({
    queryKey: ['schema', group],
    queryFn: ({ signal }) => call<Document>('GET', `/openapi/v3/apis/${group}`, undefined, { signal }),
    enabled: open && group !== '',
    staleTime: Infinity,
  })
  const entries = schema.data && kind ? fieldsOf(schema.data, kind, types) : []
  const show = (e: Entry) =>
    e.type === 'group' ? (
      <fieldset key={e.path.join('.')} className={s.group}>
        <legend>{titleOf(e.name)}</legend>
        {e.fields?.map(show)}
      </fieldset>
    ) : <One key={e.path.join('.')} entry={e} value={valueAt(manifest.objects[manifest.at], e.path)} error={wrong(e.path.join('.'))} onChange={(v) => change(write(manifest, e.path, v))} />
  return (
    <details className={s.more} open={open} onToggle={(e) => unfold(e.currentTarget.open)}>
      <summary>More fields{kind && ` of a ${kind.kind}`}</summary>
      {open && (schema.error ? <Problem problem={problemOf(schema.error)} what="the fields" retry={() => void schema.refetch()} />
        : schema.isPending ? <Loading what="the fields" rows={3} />
        : <div className={s.fields}>{entries.map(show)}</div>)}
    </details>
  )
}

function One({ entry, value, error, onChange }: { entry: Entry; value: unknown; error: string | undefined; onChange: (value: unknown) => void }) {
  const options = entry.type === 'boolean' ? ['true', 'false'] : entry.options
  const text = Array.isArray(value) ? value.join(' ') : typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
  return (
    <Field label={titleOf(entry.name)} hint={entry.hint} error={error} render={(p) => options ? (
      <select {...p} value={text} onChange={(e) => onChange(valueOf(entry, e.target.value))}>
        <option value="">as it comes</option>
        {options.map((o) => <option key={o} value={o}>{o}</option>)}
      </select>
    ) : (
      <input {...p} value={text} placeholder="as it comes" {...(entry.type === 'number' && { type: 'number', min: entry.min, max: entry.max, step: 1 })}
        onChange={(e) => onChange(valueOf(entry, e.target.value))} />
    )} />
  )
}
