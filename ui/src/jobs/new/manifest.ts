import { isAlias, isMap, isNode, isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml'
import type { Container, Job as BatchJob, PodTemplateSpec } from '../../api/kubernetes'
import type { JobSet, TrainJob } from '../../api/platform'
import type { ApiError } from '../../live/client'
import type { KubeObject } from '../../live/resource'
import type { Fault } from '../../house/YamlEditor'
import { kindOfObject } from '../../examples/run'
import type { JobKind } from '../kinds'

/**
 * A Manifest is what somebody writes, as text: the job and what it needs. The form
 * reads it and changes it in its place, so that comments and order stay.
 */
export interface Manifest {
  documents: readonly Document[]
  objects: readonly KubeObject[]
  /** Where in the documents the job is; -1 where there is none. */
  at: number
  kind?: JobKind
  faults: readonly Fault[]
}

export function readManifest(text: string): Manifest {
  const parsed = parseAllDocuments(text, { merge: true, lineCounter: new LineCounter() })
  const documents = Array.isArray(parsed) ? parsed.filter((d) => d.contents !== null) : []
  const faults = documents.flatMap((d) => d.errors.map((e) => ({ from: e.pos[0], to: e.pos[1], message: e.message.split('\n')[0] ?? e.message })))
  const objects = faults.length > 0 ? [] : documents.map((d) => d.toJS({ maxAliasCount: 100 }) as KubeObject)
  const at = objects.findLastIndex((o) => o !== null && typeof o === 'object' && kindOfObject(o))
  const job = objects[at]
  const kind = job && kindOfObject(job)
  return { documents, objects, at, ...(kind && { kind }), faults }
}

/** write is a manifest as text, with a value in its job changed; undefined takes the field away. */
export function write(m: Manifest, path: readonly (string | number)[], value: unknown): string {
  return writeIn(m, m.at, [path], value)
}

/** writeIn changes the same value at several places of a document. A place that is another one by reference has changed with it. */
export function writeIn(m: Manifest, at: number, paths: readonly (readonly (string | number)[])[], value: unknown): string {
  const document = m.documents[at]
  for (const path of paths) {
    if (!document || path.some((_, i) => isAlias(document.getIn(path.slice(0, i + 1), true)))) continue
    const old = document.getIn(path, true)
    if (value === undefined) document.deleteIn(path)
    else if (isScalar(old) && typeof value !== 'object') old.value = value // and keeps its comment
    else document.setIn(path, isNode(value) ? value : document.createNode(value))
    // A requests that nothing is left in is written by nobody.
    const parent = path.slice(0, -1)
    const left = document.getIn(parent, true)
    if (value === undefined && isMap(left) && left.items.length === 0) document.deleteIn(parent)
  }
  return m.documents.map((d) => d.toString({ lineWidth: 0, directives: false })).join('---\n')
}

/** A Part is a sort of a job's pods: which run the same. */
export interface Part {
  /** Worker */
  type: string
  /** Where the template of its pods is; a TrainJob has none, as its runtime has it. */
  pod?: Path
  template?: PodTemplateSpec | undefined
  /** Where its container is, or what stands for it in a TrainJob, and what that says. */
  container: Path
  main: Pick<Container, 'image' | 'command' | 'args' | 'resources'> | undefined
  /** Where in the container it says what it asks for. */
  resources: string
  replicas: number
  replicasAt?: Path
}

type Path = readonly (string | number)[]

/** partsOf are the sorts of pods that a job consists of. */
export function partsOf(m: Manifest): Part[] {
  const spec = (m.objects[m.at] as { spec?: Record<string, unknown> } | undefined)?.spec
  if (!m.kind || !spec) return []
  const part = (type: string, pod: Path, template: PodTemplateSpec | undefined, replicas = 1, replicasAt?: Path): Part => ({
    type, pod, template, container: [...pod, 'spec', 'containers', 0], main: template?.spec?.containers?.[0], resources: 'resources', replicas, ...(replicasAt && { replicasAt }),
  })
  switch (m.kind.family) {
    case 'batch':
      return [part('Pods', ['spec', 'template'], (spec as unknown as BatchJob['spec'])?.template)]
    case 'trainjob': {
      const trainer = (spec as unknown as TrainJob['spec'])?.trainer
      const main = trainer && { ...trainer, resources: trainer.resourcesPerNode }
      return [{ type: 'Nodes', container: ['spec', 'trainer'], main: main as Part['main'], resources: 'resourcesPerNode', replicas: trainer?.numNodes ?? 1, replicasAt: ['spec', 'trainer', 'numNodes'] }]
    }
    case 'jobset':
      return ((spec as unknown as JobSet['spec'])?.replicatedJobs ?? []).map((j, i) => {
        const at = ['spec', 'replicatedJobs', i]
        return part(j.name, [...at, 'template', 'spec', 'template'], j.template.spec?.template, j.replicas, [...at, 'replicas'])
      })
    case 'kubeflow': {
      const field = m.kind.replicas ?? ''
      const specs = spec[field] as Record<string, { replicas?: number; template?: PodTemplateSpec } | null> | undefined
      return Object.entries(specs ?? {}).map(([type, r]) => part(type, ['spec', field, type, 'template'], r?.template, r?.replicas, ['spec', field, type, 'replicas']))
    }
  }
}

/** faultsOf puts what the API server finds wrong at its place in the text. */
export function faultsOf(m: Manifest, problem: ApiError): Fault[] {
  const document = m.documents[m.at]
  if (!document) return []
  return problem.causes.flatMap((c) => {
    const path = c.field.split(/[.[\]]+/).filter(Boolean).map((p) => (/^\d+$/.test(p) ? Number(p) : p))
    for (let depth = path.length; depth > 0; depth--) {
      const node = document.getIn(path.slice(0, depth), true)
      if (isNode(node) && node.range) return [{ from: node.range[0], to: node.range[1], message: c.message }]
    }
    return []
  })
}

/** splitWords takes a command line apart as a shell does: quotes keep together. */
export function splitWords(line: string): string[] {
  const words: string[] = []
  for (const m of line.matchAll(/(?:[^\s"']+|"(?:\\.|[^"])*"|'[^']*')+/g)) words.push(m[0].replace(/"((?:\\.|[^"])*)"|'([^']*)'/g, (_, double?: string, single?: string) => (double ?? single ?? '').replace(/\\(["\\])/g, '$1')))
  return words
}

/** joinWords writes words as a command line that splitWords reads. */
export const joinWords = (words: readonly string[]) =>
  words.map((w) => (w !== '' && !/[\s"'\\]/.test(w) ? w : w.includes("'") ? `"${w.replace(/(["\\])/g, '\\$1')}"` : `'${w}'`)).join(' ')

/** freeName is a name that no job has: mnist, mnist-2, mnist-3. */
export function freeName(wanted: string, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted
  const stem = wanted.replace(/-\d+$/, '')
  for (let n = 2; ; n++) if (!taken.has(`${stem}-${n}`)) return `${stem}-${n}`
}
