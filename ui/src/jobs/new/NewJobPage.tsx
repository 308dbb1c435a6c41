import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { stringify } from 'yaml'
import type { Node } from '../../api/kubernetes'
import { create, kindOfObject } from '../../examples/run'
import { useReach } from '../../frame/session'
import { Button } from '../../house/Button'
import { Field } from '../../house/Field'
import { Icon } from '../../house/Icon'
import { Loading, OnlyView } from '../../house/Notice'
import { Page } from '../../house/Page'
import { bytes, quantity } from '../../house/say'
import { YamlEditor } from '../../house/YamlEditor'
import { problemOf } from '../../live/client'
import { nodes, type KubeObject } from '../../live/resource'
import { everywhere, useRights } from '../../live/rights'
import { useCollections } from '../../live/useLive'
import { sharesOf } from '../../machine/shares'
import { jobLink } from '../../paths'
import { jobKinds, kindOf } from '../kinds'
import { writtenBy } from '../ManifestTab'
import { useJobs } from '../useJobs'
import { blank, blankKinds } from './blank'
import { faultsOf, freeName, joinWords, readManifest, splitWords, templatesOf, write, writeIn, type Manifest } from './manifest'
import house from '../../house/house.module.css'
import s from './new.module.css'

/** A Start is what a new job is made from. It stands in the address. */
export interface Start {
  /** A kind, as tfjobs; an example, as example:digits; or a job, as again:default/tfjobs/mnist. */
  from?: string
}

/** NewJobPage makes a job: a form and its YAML, of which each changes the other. */
export function NewJobPage() {
  const { from = 'example:xgboost' } = useSearch({ from: '/jobs/new' })
  const start = useStart(from)
  return (
    <Page title="New job" crumbs={<><Link to="/jobs">Jobs</Link> <Icon name="right" size={12} /></>} command="weir kubectl create -f job.yaml" fill>
      {start === undefined ? <Loading what="what to begin with" /> : <Editor key={from} from={from} start={start} />}
    </Page>
  )
}

/** useStart is the text to begin with, once all is here that it is made of. */
function useStart(from: string): string | undefined {
  const [first, ...rest] = from.split(':')
  const of = rest.join(':')
  const reach = useReach()
  const { rows, loading } = useJobs(first === 'again' ? (of.split('/')[0] ?? '') : reach)
  const examples = useQuery({ queryKey: ['examples'], queryFn: async () => (await import('../../examples/examples')).examples, staleTime: Infinity, enabled: first === 'example' })
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
      const objects = examples.data?.find((e) => e.id === of)?.objects()
      return objects?.map((o) => stringify(jobKinds.some((k) => k.kind === o.kind) ? named(o) : o, { lineWidth: 0 })).join('---\n')
    }
    const kind = kindOf(from)
    return kind ? blank(kind, free('mnist')) : ''
  }, [loading, rows, first, of, from, examples.data])
  // What somebody has begun with does not change when a job comes or goes.
  if (kept?.from === from) return kept.text
  if (text !== undefined) keep({ from, text })
  return text
}

function Editor({ from, start }: { from: string; start: string }) {
  const [text, setText] = useState(start)
  const manifest = useMemo(() => readManifest(text), [text])
  const { ns } = useSearch({ from: '__root__' })
  const navigate = useNavigate()
  const examples = useQuery({ queryKey: ['examples'], queryFn: async () => (await import('../../examples/examples')).examples, staleTime: Infinity })
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
  const wrong = (field: RegExp) => problem?.causes.find((c) => field.test(c.field))?.message
  const change = (to: string) => {
    make.reset()
    setText(to)
  }

  return (
    <div className={s.sides}>
      <form className={s.form} onSubmit={(e) => { e.preventDefault(); make.mutate() }}>
        <Field label="Begin with" hint="What you have changed is lost when you begin with something else." render={(p) => (
          <select {...p} value={from} onChange={(e) => void navigate({ to: '/jobs/new', search: { from: e.target.value } })}>
            {from.startsWith('again:') && <option value={from}>{from.replace('again:', 'The job ')}</option>}
            <optgroup label="Examples">{examples.data?.map((e) => <option key={e.id} value={`example:${e.id}`}>{e.title}</option>)}</optgroup>
            <optgroup label="A script of yours">{blankKinds(jobKinds).map((k) => <option key={k.plural} value={k.plural}>{k.kind}</option>)}</optgroup>
          </select>
        )} />
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
          {ready && !problem && <span className={house.muted} role="status">{check.isSuccess ? 'weir takes it as it is.' : 'Checking…'}</span>}
        </div>
      </form>
      <div className={s.yaml}><YamlEditor label="Manifest" value={text} onChange={change} faults={faults} /></div>
    </div>
  )
}

const machines = [nodes] as const
const none = [] as const

const images = ['pytorch/pytorch:2.8.0', 'tensorflow/tensorflow:2.21.0', 'weir.local/jax', 'weir.local/xgboost', 'paddlepaddle/paddle:3.0.0', 'python:3.11']

function Fields({ manifest, namespace, change, wrong }: { manifest: Manifest; namespace: string; change: (text: string) => void; wrong: (field: RegExp) => string | undefined }) {
  const [machine] = useCollections<Node & { metadata: object }>(useRights(everywhere)('list', nodes) ? machines : none)
  const shares = sharesOf(machine?.items ?? [], [], undefined)
  const job = manifest.objects[manifest.at]
  const templates = templatesOf(manifest)
  const container = templates[0]?.template?.spec?.containers[0]
  const inContainers = (...path: string[]) => templates.map((t) => [...t.path, 'spec', 'containers', 0, ...path])
  const set = (path: string[], value: unknown) => change(writeIn(manifest, manifest.at, inContainers(...path), value))
  const code = codeOf(manifest)
  const pods = templates.reduce((n, t) => n + t.replicas, 0)
  const has = (what: 'cpu' | 'memory' | 'gpu') => shares.find((x) => x.what === what)?.all ?? 0
  const asked = container?.resources?.requests ?? container?.resources?.limits ?? {}
  const over = (each: number, all: number) => (all > 0 && each * pods > all ? `${pods} replicas ask for more than this machine has: some will wait.` : undefined)

  return (
    <>
      <div className={s.two}>
        <Field label="Name" error={wrong(/^metadata\.name$/)} render={(p) => <input {...p} required value={job?.metadata.name ?? ''} onChange={(e) => change(write(manifest, ['metadata', 'name'], e.target.value))} />} />
        <Field label="Namespace" render={(p) => <input {...p} value={namespace} onChange={(e) => change(write(manifest, ['metadata', 'namespace'], e.target.value || undefined))} />} />
      </div>
      {container && (
        <>
          <Field label="Image" error={wrong(/\.image$/)} hint="An environment that weir builds, or an image of a registry."
            render={(p) => <input {...p} list="images" required value={container.image ?? ''} onChange={(e) => set(['image'], e.target.value)} />} />
          <datalist id="images">{images.map((i) => <option key={i} value={i} />)}</datalist>
          <CommandField key={job?.kind} words={[...(container.command ?? []), ...(container.args ?? [])]} error={wrong(/\.command/)}
            onChange={(words) => {
              const without = container.args ? readManifest(writeIn(manifest, manifest.at, inContainers('args'), undefined)) : manifest
              change(writeIn(without, manifest.at, inContainers('command'), words))
            }} />
        </>
      )}
      {code && (
        <Field label={code.file} hint="The program itself: it is mounted where the command looks for it." render={(p) => (
          <textarea {...p} rows={9} spellCheck={false} value={code.text} onChange={(e) => change(writeIn(manifest, code.at, [['data', code.file]], e.target.value))} data-keys />
        )} />
      )}
      {templates.some((t) => t.replicasAt) && (
        <div className={s.two}>
          {templates.map((t) => t.replicasAt && (
            <Field key={t.type} label={t.type} error={wrong(new RegExp(`${t.type}.*replicas`))} render={(p) => (
              <input {...p} type="number" min={0} max={1000} value={t.replicas} onChange={(e) => change(write(manifest, t.replicasAt ?? [], Number(e.target.value)))} />
            )} />
          ))}
        </div>
      )}
      {container && (
        <div className={s.three}>
          <Field label="CPU each" error={over(quantity(asked['cpu']), has('cpu'))} hint={has('cpu') > 0 && `of ${has('cpu')} cores`} render={(p) => (
            <input {...p} type="number" min={0} step={0.5} placeholder="as it comes" value={asked['cpu'] === undefined ? '' : quantity(asked['cpu'])} onChange={(e) => set(['resources', 'requests', 'cpu'], e.target.value === '' ? undefined : e.target.value)} />
          )} />
          <Field label="Memory each, GB" error={over(quantity(asked['memory']), has('memory'))} hint={has('memory') > 0 && `of ${bytes(has('memory'))}`} render={(p) => (
            <input {...p} type="number" min={0} step={0.5} placeholder="as it comes" value={asked['memory'] === undefined ? '' : quantity(asked['memory']) / 1e9} onChange={(e) => set(['resources', 'requests', 'memory'], e.target.value === '' ? undefined : `${e.target.value}G`)} />
          )} />
          <Field label="GPUs each" hint={has('gpu') > 0 ? `of ${has('gpu')}` : machine ? 'this machine has none' : undefined} render={(p) => (
            <input {...p} type="number" min={0} max={machine ? has('gpu') : undefined} disabled={machine && has('gpu') === 0} value={quantity(container.resources?.limits?.['nvidia.com/gpu'])} onChange={(e) => set(['resources', 'limits', 'nvidia.com/gpu'], Number(e.target.value) || undefined)} />
          )} />
        </div>
      )}
    </>
  )
}

// While somebody types a command line it may end in a space or within quotes: the text is theirs until it says something else.
function CommandField({ words, error, onChange }: { words: readonly string[]; error: string | undefined; onChange: (words: string[]) => void }) {
  const [typed, type] = useState(joinWords(words))
  const same = JSON.stringify(splitWords(typed)) === JSON.stringify(words)
  return (
    <Field label="Command" error={error} render={(p) => (
      <input {...p} spellCheck={false} value={same ? typed : joinWords(words)} onChange={(e) => { type(e.target.value); onChange(splitWords(e.target.value)) }} />
    )} />
  )
}

/** codeOf is the program in a manifest: the first file of its ConfigMap that looks like one. */
function codeOf(m: Manifest): { at: number; file: string; text: string } | undefined {
  const at = m.objects.findIndex((o) => o.kind === 'ConfigMap')
  const data = (m.objects[at] as { data?: Record<string, string> } | undefined)?.data ?? {}
  const file = ['train.py', ...Object.keys(data)].find((name) => name in data && name.endsWith('.py'))
  return file ? { at, file, text: data[file] ?? '' } : undefined
}

function useSettled<T>(value: T, ms: number): T {
  const [settled, settle] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => settle(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}
