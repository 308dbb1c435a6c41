import type { ObjectMeta } from '../api/kubernetes'

/** A Resource is a kind of object, and where the API server has it. */
export interface Resource {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  /** Whether its objects lie in namespaces. */
  readonly namespaced: boolean
}

export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
}

/** pathOf is where the objects of a kind are: all, those of a namespace, or one. */
export function pathOf(r: Resource, namespace = '', name = ''): string {
  const root = r.group === '' ? `/api/${r.version}` : `/apis/${r.group}/${r.version}`
  const within = r.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${within}/${r.plural}${name === '' ? '' : `/${encodeURIComponent(name)}`}`
}

export const apiVersionOf = (r: Resource) => (r.group === '' ? r.version : `${r.group}/${r.version}`)

export const keyOf = (o: KubeObject) => `${o.metadata.namespace ?? ''}/${o.metadata.name ?? ''}`

const core = (kind: string, plural: string, namespaced = true): Resource => ({ group: '', version: 'v1', kind, plural, namespaced })

export const pods = core('Pod', 'pods')
export const events = core('Event', 'events')
export const nodes = core('Node', 'nodes', false)
export const namespaces = core('Namespace', 'namespaces', false)
export const claims = core('PersistentVolumeClaim', 'persistentvolumeclaims')
export const secrets = core('Secret', 'secrets')
export const roleBindings: Resource = { group: 'rbac.authorization.k8s.io', version: 'v1', kind: 'RoleBinding', plural: 'rolebindings', namespaced: true }
