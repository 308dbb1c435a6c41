import type { JobKind } from '../kinds'

/** A Shape is what OpenAPI says of a value, as far as a form goes. */
interface Shape {
  $ref?: string
  allOf?: Shape[]
  type?: string
  description?: string
  properties?: Record<string, Shape>
  additionalProperties?: Shape | boolean
  items?: Shape
  enum?: string[]
  minimum?: number
  maximum?: number
  pattern?: string
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
  'x-kubernetes-int-or-string'?: boolean
}

/** A Document is the OpenAPI of a group of kinds. */
export interface Document {
  components: { schemas: Record<string, Shape> }
}

/** An Entry is a field of a form, or a group of them. */
export interface Entry {
  name: string
  path: readonly string[]
  hint: string
  /** words is a list of strings. */
  type: 'string' | 'number' | 'boolean' | 'words' | 'group'
  options?: readonly string[]
  min?: number
  max?: number
  fields?: readonly Entry[]
}

// What the form has elsewhere, or is better written as YAML.
const left = new Set(['template', 'replicas', 'podTemplateOverrides', 'runtimePatches', 'selector', 'manualSelector', 'suspend', 'numNodes', 'image', 'command', 'args'])
const deepest = 4

/** fieldsOf are the fields of a kind's spec that can be filled in, and those of each sort of its replicas. */
export function fieldsOf(document: Document, kind: JobKind, types: readonly string[]): readonly Entry[] {
  const { schemas } = document.components
  const of = Object.values(schemas).find((s) => s['x-kubernetes-group-version-kind']?.some((g) => g.kind === kind.kind && g.version === kind.version && g.group === kind.group))
  const plain = (s: Shape): Shape => {
    const to = s.$ref ?? s.allOf?.[0]?.$ref
    return to ? { ...schemas[to.split('/').at(-1) ?? ''], ...(s.description && { description: s.description }) } : s
  }
  const walk = (s: Shape, path: readonly string[]): Entry[] =>
    path.length > deepest ? [] : Object.entries(s.properties ?? {}).flatMap(([name, found]): Entry[] => {
      if (left.has(name)) return []
      const shape = plain(found)
      const at = [...path, name]
      if (name === kind.replicas && typeof shape.additionalProperties === 'object') {
        const each = shape.additionalProperties
        return types.map((type): Entry => ({ name: type, path: [...at, type], hint: '', type: 'group', fields: walk(plain(each), [...at, type]) })).filter((g) => g.fields?.length)
      }
      const entry = { name, path: at, hint: firstSentence(shape.description) }
      if (shape.type === 'object' && shape.properties) {
        const fields = walk(shape, at)
        return fields.length > 0 ? [{ ...entry, type: 'group', fields }] : []
      }
      if (shape.type === 'array') return plain(shape.items ?? {}).type === 'string' ? [{ ...entry, type: 'words' }] : []
      if (shape.type === 'boolean') return [{ ...entry, type: 'boolean' }]
      if (shape.type === 'integer' || shape.type === 'number')
        return [{ ...entry, type: 'number', ...(shape.minimum !== undefined && { min: shape.minimum }), ...(shape.maximum !== undefined && { max: shape.maximum }) }]
      if (shape.type === 'string' || shape['x-kubernetes-int-or-string']) return [{ ...entry, type: 'string', ...(shape.enum && { options: shape.enum }) }]
      return []
    })
  const spec = of?.properties?.['spec']
  return spec ? walk(plain(spec), ['spec']) : []
}

const firstSentence = (text = '') => /^.*?[.:](?=\s|$)/s.exec(text)?.[0].replaceAll('\n', ' ') ?? text.replaceAll('\n', ' ')

/** valueAt is what an object has at a path. */
export const valueAt = (o: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((v, name) => (typeof v === 'object' && v !== null ? (v as Record<string, unknown>)[name] : undefined), o)

/** valueOf is what somebody has typed into a field; nothing is undefined. */
export function valueOf(entry: Entry, typed: string): unknown {
  const text = typed.trim()
  if (text === '') return undefined
  if (entry.type === 'number') return Number(text)
  if (entry.type === 'boolean') return text === 'true'
  if (entry.type === 'words') return text.split(/[\s,]+/)
  return typed
}

/** titleOf says the name of a field in words: activeDeadlineSeconds is Active deadline seconds. */
export function titleOf(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, (_, a = '', b = '', c = '') => (c ? `${c} ` : `${a} ${b}`)).split(' ')
  return words.map((w, i) => (i === 0 ? w.charAt(0).toUpperCase() + w.slice(1) : /^[A-Z]{2,}$/.test(w) ? w : w.toLowerCase())).join(' ')
}
