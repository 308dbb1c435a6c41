import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { stringify } from 'yaml'
import { create, kindOfObject } from '../../examples/run'
import { useReach } from '../../frame/session'
import { Button } from '../../house/Button'
import { Field } from '../../house/Field'
import { Icon } from '../../house/Icon'
import { LinkButton } from '../../house/LinkButton'
import { Loading, Notice, OnlyView } from '../../house/Notice'
import { Page } from '../../house/Page'
import { YamlEditor } from '../../house/YamlEditor'
import { problemOf } from '../../live/client'
import type { KubeObject } from '../../live/resource'
import { useRights } from '../../live/rights'
import { jobLink } from '../../paths'
import { jobKinds, kindOf } from '../kinds'
import { writtenBy } from '../ManifestTab'
import { useJobs } from '../useJobs'
import { blank, programs, programsFor, type Program } from './blank'
import { Fields } from './Fields'
import { faultsOf, freeName, readManifest } from './manifest'
import house from '../../house/house.module.css'
import s from './new.module.css'

/** A Start is what a new job is made from. It stands in the address. */
export interface Start {
  /** A program and a kind, as git:tfjobs; an example, as example:digits; or a job, as again:default/tfjobs/mnist. */
  from?: string
  /** Where the program lies in storage, as s3://bucket/folder/train.py. */
  code?: string
}

/** NewJobPage makes a job: a form and its YAML, of which each changes the other. */
export function NewJobPage() {
  const { from = 'example:xgboost', code = '' } = useSearch({ from: '/jobs/new' })
  const start = useStart(from, code)
  return (
    <Page title="New job" crumbs={<><Link to="/jobs">Jobs</Link> <Icon name="right" size={12} /></>} command="weir kubectl create -f job.yaml" fill>
      {start === undefined ? <Loading what="what to begin with" /> : start === '' ? (
        <Notice icon="alert" title={`There is no ${goneOf(from)} to begin with`} actions={<LinkButton to="/jobs/new" search={{}} icon="plus">Begin with something else</LinkButton>}>
          It has gone meanwhile, or has another name.
        </Notice>
      ) : <Editor key={from + code} from={from} start={start} />}
    </Page>
  )
}

const examplesQuery = { queryKey: ['examples'], queryFn: async () => (await import('../../examples/examples')).examples, staleTime: Infinity }

/** useStart is the text to begin with, once all is here that it is made of. */
function useStart(from: string, code: string): string | undefined {
  const { first, of } = startOf(from)
  const reach = useReach()
  const { rows, loading } = useJobs(first === 'again' ? (of.split('/')[0] ?? '') : reach)
  const examples = useQuery({ ...examplesQuery, enabled: first === 'example' })
  const [kept, keep] = useState<{ from: string; text: string }>()
  const text = useMemo(() => {
    if (loading) return undefined
    const free = (name: string) => freeName(name, new Set(rows.map((j) => j.name)))
    const named = (o: KubeObject): KubeObject => ({ ...o, metadata: { ...o.metadata, name: free(o.metadata.name ?? 'job') } })
    if (first === 'again') {
      const job = rows.find((j) => `${j.namespace}/${j.kind.plural}/${j.name}` === of)
      return job ? stringify(named(writtenBy(job) as KubeObject), { lineWidth: 0 }) : ''
    }
    if (first === 'example') {
      if (!examples.data) return undefined
      const objects = examples.data.find((e) => e.id === of)?.objects() ?? []
      return objects.map((o) => stringify(jobKinds.some((k) => k.kind === o.kind) ? named(o) : o, { lineWidth: 0 })).join('---\n')
    }
    const kind = kindOf(of)
    return kind ? blank(kind, free(nameFor(code)), first, code) : ''
  }, [loading, rows, first, of, code, examples.data])
  // What somebody has begun with does not change when a job comes or goes.
  const made = from + code
  if (kept?.from === made) return kept.text
  if (text !== undefined) keep({ from: made, text })
  return text
}

/** startOf takes apart what stands in the address; a kind alone is that of a script. */
function startOf(from: string): { first: Program | 'again' | 'example'; of: string } {
  const [first, ...rest] = from.split(':')
  const known = ['again', 'example', ...programs.map((p) => p.program)] as const
  return { first: known.find((k) => k === first) ?? 'script', of: rest.length > 0 ? rest.join(':') : from }
}

/** goneOf is what is not there to begin with. */
function goneOf(from: string): string {
  const { first, of } = startOf(from)
  return first === 'again' ? `job ${of}` : first === 'example' ? `example ${of}` : `kind ${of}`
}

/** nameFor is a name for a job of a program: that of its file, as far as jobs may be called so. */
const nameFor = (code: string) => (code.split('/').at(-1) ?? '').replace(/\.py$/, '').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+|-+$/g, '') || 'mnist'

/** Beginning chooses what a job is made from. */
function Beginning({ from }: { from: string }) {
  const navigate = useNavigate()
  const examples = useQuery(examplesQuery)
  const { first, of } = startOf(from)
  const begin = (to: string) => void navigate({ to: '/jobs/new', search: { from: to } })
  const kinds = jobKinds.filter((k) => first === 'again' || first === 'example' || programsFor(k).includes(first))
  const isProgram = first !== 'again' && first !== 'example'
  return (
    <div className={s.wide}>
      <Field label="Begin with" hint="What you have changed is lost when you begin with something else." render={(p) => (
        <select {...p} value={isProgram ? first : from} onChange={(e) => begin(programs.some((x) => x.program === e.target.value) ? `${e.target.value}:${isProgram ? of : 'pytorchjobs'}` : e.target.value)}>
          {first === 'again' && <option value={from}>The job {of}</option>}
          <optgroup label="A program of yours">{programs.map((x) => <option key={x.program} value={x.program}>{x.title}</option>)}</optgroup>
          <optgroup label="Examples">{examples.data?.map((e) => <option key={e.id} value={`example:${e.id}`}>{e.title}</option>)}</optgroup>
        </select>
      )} />
      {isProgram && (
        <Field label="Kind" render={(p) => (
          <select {...p} value={of} onChange={(e) => begin(`${first}:${e.target.value}`)}>
            {kinds.map((k) => <option key={k.plural} value={k.plural}>{k.kind}</option>)}
          </select>
        )} />
      )}
    </div>
  )
}

function Editor({ from, start }: { from: string; start: string }) {
  const [text, setText] = useState(start)
  const manifest = useMemo(() => readManifest(text), [text])
  const { ns } = useSearch({ from: '__root__' })
  const navigate = useNavigate()
  const namespace = manifest.objects[manifest.at]?.metadata.namespace ?? ns ?? 'default'
  const job = manifest.objects[manifest.at]
  const kind = job && kindOfObject(job)
  const may = useRights(namespace)
  const barred = kind !== undefined && !may('create', kind)
  const ready = manifest.at >= 0 && manifest.faults.length === 0 && !barred

  const make = useMutation({
    mutationFn: () => create(manifest.objects, namespace),
    onSuccess: (job) => void (job && navigate(jobLink(job))),
  })
  // What the API server would say is asked once somebody has stopped typing. Of what is being made it would say that it exists.
  const settled = useSettled(text, 700)
  const check = useQuery({
    queryKey: ['check', settled, namespace],
    queryFn: async () => (await create(readManifest(settled).objects, namespace, true)) ?? null,
    enabled: ready && settled === text && make.isIdle,
    retry: false,
    staleTime: Infinity,
    gcTime: 0,
  })
  const found = make.error ?? (settled === text ? check.error : null)
  const problem = found ? problemOf(found) : undefined
  const faults = useMemo(() => [...manifest.faults, ...(problem ? faultsOf(manifest, problem) : [])], [manifest, problem])
  const wrong = (field: RegExp | string) => problem?.causes.find((c) => (typeof field === 'string' ? c.field === field : field.test(c.field)))?.message
  const change = (to: string) => {
    make.reset()
    setText(to)
  }

  return (
    <div className={s.sides}>
      <form className={s.form} onSubmit={(e) => { e.preventDefault(); make.mutate() }}>
        <Beginning from={from} />
        {manifest.at < 0 ? (
          <p role="alert" className={house.error}>{manifest.faults[0]?.message ?? 'There is no job in the YAML: give it a kind, as PyTorchJob.'}</p>
        ) : <Fields manifest={manifest} namespace={namespace} change={change} wrong={wrong} />}
        {problem && (
          <div role="alert" className={house.error}>
            {problem.causes.length > 0 ? <ul>{problem.causes.map((c) => <li key={c.field + c.message}>{c.field}: {c.message}</li>)}</ul> : problem.message}
          </div>
        )}
        <div className={house.row}>
          <Button type="submit" look="first" icon="running" disabled={!ready || make.isPending}>Run</Button>
          {barred && <OnlyView may={may} namespace={namespace} />}
          {ready && !problem && <span className={house.muted} role="status">{check.isSuccess && settled === text ? 'weir takes it as it is.' : 'Checking…'}</span>}
        </div>
      </form>
      <div className={s.yaml}><YamlEditor label="Manifest" value={text} onChange={change} faults={faults} /></div>
    </div>
  )
}

function useSettled<T>(value: T, ms: number): T {
  const [settled, settle] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => settle(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}
