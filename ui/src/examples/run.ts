import { jobKinds, type JobKind } from '../jobs/kinds'
import { ApiError, call } from '../live/client'
import { pathOf, type KubeObject, type Resource } from '../live/resource'

const configMaps: Resource = { group: '', version: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true }

/** kindOfObject is the kind of job that an object is, if it is one. */
export const kindOfObject = (o: KubeObject): JobKind | undefined => jobKinds.find((k) => k.kind === o.kind && (o.apiVersion ?? '').startsWith(k.group))

/**
 * create makes objects in a namespace, and returns the last job among them. What
 * jobs need is made or changed; a job of that name must not be there yet.
 */
export async function create(objects: readonly KubeObject[], namespace: string, dryRun = false): Promise<{ kind: JobKind; name: string; namespace: string } | undefined> {
  let made: { kind: JobKind; name: string; namespace: string } | undefined
  const isJob = (o: KubeObject) => (kindOfObject(o) ? 1 : 0)
  for (const o of [...objects].sort((a, b) => isJob(a) - isJob(b))) {
    const ns = o.metadata.namespace ?? namespace
    const kind = kindOfObject(o)
    const query = dryRun ? '?dryRun=All&fieldValidation=Strict' : '?fieldValidation=Strict'
    if (kind) {
      // An object may be written in another version of its kind, as MPIJob's v2beta1.
      const version = o.apiVersion?.split('/').at(-1) ?? kind.version
      await call('POST', pathOf({ ...kind, version }, ns) + query, o)
      made = { kind, name: o.metadata.name ?? '', namespace: ns }
    } else if (o.kind === 'ConfigMap') {
      await call('PATCH', `${pathOf(configMaps, ns, o.metadata.name)}${query}&fieldManager=weir-pages&force=true`, o, { type: 'application/apply-patch+yaml' })
    } else throw new ApiError(400, 'NoJob', `${o.kind ?? 'an object without kind'}: here jobs are made, and ConfigMaps for them; for others: weir kubectl apply`)
  }
  return made
}
