import { useState } from 'react'
import type { Node } from '../../api/kubernetes'
import { Field } from '../../house/Field'
import { bytes, quantity } from '../../house/say'
import { nodes } from '../../live/resource'
import { everywhere, useRights } from '../../live/rights'
import { useCollections } from '../../live/useLive'
import { sharesOf } from '../../machine/shares'
import { CodeFields } from './CodeFields'
import { nameOf, resourcesOf, saidOf, useHardware, type Resources } from './hardware'
import { joinWords, partsOf, readManifest, splitWords, write, writeIn, type Manifest, type Part } from './manifest'
import { MoreFields } from './MoreFields'
import s from './new.module.css'

const machines = [nodes] as const
const none = [] as const

const images = ['pytorch/pytorch:2.8.0', 'tensorflow/tensorflow:2.21.0', 'weir.local/jax', 'weir.local/xgboost', 'paddlepaddle/paddle:3.0.0', 'python:3.11']

/** Fields are a form over a manifest: it reads what stands there, and changes it in its place. */
export function Fields({ manifest, namespace, change, wrong }: {
  manifest: Manifest
  namespace: string
  change: (text: string) => void
  /** What is wrong with a field, by its path or by a pattern of that. */
  wrong: (field: RegExp | string) => string | undefined
}) {
  const job = manifest.objects[manifest.at]
  const parts = partsOf(manifest)
  const main = parts[0]?.main
  const inContainers = (...path: string[]) => parts.map((p) => [...p.container, ...path])
  const set = (path: string[], value: unknown) => change(writeIn(manifest, manifest.at, inContainers(...path), value))
  // Workers that a launcher starts have no command of their own, and shall get none.
  const commanded = parts.some((p) => p.main?.command) ? parts.filter((p) => p.main?.command) : parts
  const file = scriptOf(manifest, commanded)
  return (
    <>
      <div className={s.two}>
        <Field label="Name" error={wrong('metadata.name')} render={(p) => <input {...p} required value={job?.metadata.name ?? ''} onChange={(e) => change(write(manifest, ['metadata', 'name'], e.target.value))} />} />
        <Field label="Namespace" render={(p) => <input {...p} value={namespace} onChange={(e) => change(write(manifest, ['metadata', 'namespace'], e.target.value || undefined))} />} />
      </div>
      {main && (
        <>
          <CodeFields manifest={manifest} parts={parts} change={change} />
          <Field label="Image" error={wrong(/\.image$/)} hint={manifest.kind?.family === 'trainjob' ? 'That of its runtime, unless you name another.' : 'An environment that weir builds, or an image of a registry.'}
            render={(p) => <input {...p} list="images" required={manifest.kind?.family !== 'trainjob'} value={main.image ?? ''} onChange={(e) => set(['image'], e.target.value || undefined)} />} />
          <datalist id="images">{images.map((i) => <option key={i} value={i} />)}</datalist>
          <CommandField key={job?.kind} parts={commanded} manifest={manifest} error={wrong(/\.command/)} change={change} />
        </>
      )}
      {file && (
        <Field label={file.name} hint="The program itself." render={(p) => (
          <textarea {...p} rows={9} spellCheck={false} value={file.text} onChange={(e) => change(writeIn(manifest, file.at, file.paths, e.target.value))} data-keys />
        )} />
      )}
      {parts.some((t) => t.replicasAt) && (
        <div className={s.two}>
          {parts.map((t) => t.replicasAt && (
            <Field key={t.type} label={t.type} error={wrong(t.replicasAt.join('.'))} render={(p) => (
              <input {...p} type="number" min={0} max={1000} value={t.replicas} onChange={(e) => change(write(manifest, t.replicasAt ?? [], Number(e.target.value)))} />
            )} />
          ))}
        </div>
      )}
      {main && <HardwareFields asked={main.resources} at={parts[0]?.resources ?? ''} pods={parts.reduce((n, t) => n + t.replicas, 0)} set={set} />}
      <MoreFields manifest={manifest} types={parts.map((p) => p.type)} change={change} wrong={wrong} />
    </>
  )
}

function HardwareFields({ asked, at, pods, set }: { asked: Resources | undefined; at: string; pods: number; set: (path: string[], value: unknown) => void }) {
  const [machine] = useCollections<Node & { metadata: object }>(useRights(everywhere)('list', nodes) ? machines : none)
  const menu = useHardware()
  const shares = sharesOf(machine?.items ?? [], [], undefined)
  const has = (what: 'cpu' | 'memory' | 'gpu') => shares.find((x) => x.what === what)?.all ?? 0
  const amounts = asked?.requests ?? asked?.limits ?? {}
  const over = (each: number, all: number) => (all > 0 && each * pods > all ? `${pods} replicas ask for more than this machine has: some will wait.` : undefined)
  return (
    <>
      {Object.keys(menu).length > 0 && (
        <Field label="Hardware" hint="What each replica gets, by the menu of this site." render={(p) => (
          <select {...p} value={nameOf(menu, asked)} onChange={(e) => { const h = menu[e.target.value]; set([at], h && resourcesOf(h)) }}>
            <option value="">{asked ? 'as below' : 'as it comes'}</option>
            {Object.entries(menu).map(([name, h]) => <option key={name} value={name}>{name}: {saidOf(h)}</option>)}
          </select>
        )} />
      )}
      <div className={s.three}>
        <Field label="CPU each" error={over(quantity(amounts['cpu']), has('cpu'))} hint={has('cpu') > 0 && `of ${has('cpu')} cores`} render={(p) => (
          <input {...p} type="number" min={0} step="any" placeholder="as it comes" value={amounts['cpu'] === undefined ? '' : quantity(amounts['cpu'])} onChange={(e) => set([at, 'requests', 'cpu'], e.target.value === '' ? undefined : e.target.value)} />
        )} />
        <Field label="Memory each, GB" error={over(quantity(amounts['memory']), has('memory'))} hint={has('memory') > 0 && `of ${bytes(has('memory'))}`} render={(p) => (
          <input {...p} type="number" min={0} step="any" placeholder="as it comes" value={amounts['memory'] === undefined ? '' : quantity(amounts['memory']) / 1e9} onChange={(e) => set([at, 'requests', 'memory'], e.target.value === '' ? undefined : `${e.target.value}G`)} />
        )} />
        <Field label="GPUs each" hint={has('gpu') > 0 ? `of ${has('gpu')}` : machine ? 'this machine has none' : undefined} render={(p) => (
          <input {...p} type="number" min={0} max={machine ? has('gpu') : undefined} disabled={machine && has('gpu') === 0} value={quantity(asked?.limits?.['nvidia.com/gpu'])} onChange={(e) => set([at, 'limits', 'nvidia.com/gpu'], Number(e.target.value) || undefined)} />
        )} />
      </div>
    </>
  )
}

// A program that stands in the command itself is not a line, and has a field of its own.
const isProgram = (word: string) => word.includes('\n')

function CommandField({ parts, manifest, error, change }: { parts: readonly Part[]; manifest: Manifest; error: string | undefined; change: (text: string) => void }) {
  const main = parts[0]?.main
  const command = main?.command ?? []
  const args = main?.args ?? []
  const inside = command.some(isProgram)
  const words = inside ? args : [...command, ...args]
  const [typed, type] = useState(joinWords(words))
  if (args.some(isProgram) || (inside && args.length === 0)) return null
  // While somebody types, the line may end in a space or within quotes: it is theirs until the manifest says something else.
  const same = JSON.stringify(splitWords(typed)) === JSON.stringify(words)
  const enter = (line: string) => {
    type(line)
    const wanted = splitWords(line)
    const to = (name: string) => parts.map((p) => [...p.container, name])
    const value = wanted.length > 0 ? wanted : undefined
    if (inside) return change(writeIn(manifest, manifest.at, to('args'), value))
    const without = main?.args ? readManifest(writeIn(manifest, manifest.at, to('args'), undefined)) : manifest
    change(writeIn(without, manifest.at, to('command'), value))
  }
  return (
    <Field label={inside ? 'Arguments' : 'Command'} error={error} render={(p) => (
      <input {...p} spellCheck={false} value={same ? typed : joinWords(words)} placeholder="that of the image" onChange={(e) => enter(e.target.value)} />
    )} />
  )
}

interface Script {
  name: string
  text: string
  /** The document that has it, and where. */
  at: number
  paths: (string | number)[][]
}

/** scriptOf is the program in a manifest: the first file of its ConfigMap that looks like one, or what stands in the command. */
function scriptOf(m: Manifest, parts: readonly Part[]): Script | undefined {
  const at = m.objects.findIndex((o) => o.kind === 'ConfigMap')
  const data = (m.objects[at] as { data?: Record<string, string> } | undefined)?.data ?? {}
  const name = ['train.py', ...Object.keys(data)].find((n) => n in data && n.endsWith('.py'))
  if (name) return { at, name, text: data[name] ?? '', paths: [['data', name]] }
  for (const field of ['args', 'command'] as const) {
    const words = parts[0]?.main?.[field] ?? []
    const i = words.findIndex(isProgram)
    // What weir run puts before a program is nobody's to change.
    if (i >= 0 && !words[i]?.startsWith('# Runs in a pod of weir run')) return { at: m.at, name: 'Program', text: words[i] ?? '', paths: parts.map((p) => [...p.container, field, i]) }
  }
  return undefined
}
