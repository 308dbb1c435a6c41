import type { KubeObject } from '../live/resource'
import { kustomize } from './kustomize'

/** An Example is one that the program's tests run, too. */
export interface Example {
  id: string
  title: string
  text: string
  objects: () => KubeObject[]
}

// The very files that lie in examples, and are tested there.
const files = import.meta.glob<string>('../../../examples/training/*/*.{yaml,py,md}', { query: '?raw', import: 'default', eager: true })

const folders = new Map<string, Record<string, string>>()
for (const [path, text] of Object.entries(files)) {
  const [name = '', folder = ''] = path.split('/').reverse()
  folders.set(folder, { ...folders.get(folder), [name]: text })
}

const order = ['digits', 'pytorch-ddp', 'xgboost', 'jax']
const rank = (id: string) => (order.indexOf(id) + order.length + 1) % (order.length + 1)

/** examples are those that are one folder, the best to begin with first. */
export const examples: readonly Example[] = [...folders]
  .filter(([, of]) => of['kustomization.yaml'] && of['README.md'])
  .map(([id, of]): Example => {
    const [title = id, ...rest] = (of['README.md'] ?? '').split('\n\n')
    return { id, title: title.replace(/^# /, ''), text: (rest[0] ?? '').replaceAll('\n', ' ').replaceAll('`', ''), objects: () => kustomize(of) }
  })
  .sort((a, b) => rank(a.id) - rank(b.id) || a.id.localeCompare(b.id))
