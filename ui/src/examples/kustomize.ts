import { parse, parseAllDocuments } from 'yaml'
import type { KubeObject } from '../live/resource'

interface Kustomization {
  resources?: string[]
  configMapGenerator?: { name: string; files?: string[] }[]
  generatorOptions?: { labels?: Record<string, string> }
}

/**
 * kustomize makes the objects of a folder, as kubectl apply -k does, of what our
 * examples use: resources, and ConfigMaps of files.
 */
export function kustomize(files: Readonly<Record<string, string>>): KubeObject[] {
  const text = (name: string) => {
    const found = files[name]
    if (found === undefined) throw new Error(`kustomization.yaml names ${name}, which is not in the folder`)
    return found
  }
  const k = parse(text('kustomization.yaml')) as Kustomization
  const labels = k.generatorOptions?.labels
  const maps = (k.configMapGenerator ?? []).map((g) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: g.name, ...(labels && { labels }) },
    data: Object.fromEntries((g.files ?? []).map((f) => [f, text(f)])),
  }))
  const resources = (k.resources ?? []).flatMap((r) => parseAllDocuments(text(r), { merge: true }).map((d) => d.toJS({ maxAliasCount: 100 }) as KubeObject))
  return [...resources, ...maps]
}
