import type { Pod } from '../api/kubernetes'
import { quantity } from '../house/say'

/** gpu is how nodes and pods call GPUs. */
export const gpu = 'nvidia.com/gpu'

/** placed are the pods that have something of a node: they are on one, and have not ended. */
export const placed = (pods: readonly Pod[]) => pods.filter((p) => p.spec?.nodeName && p.status?.phase !== 'Succeeded' && p.status?.phase !== 'Failed')

/** askedBy is how much of something the containers of a pod ask for. */
export const askedBy = (p: Pod, name: string) => (p.spec?.containers ?? []).reduce((n, c) => n + quantity(c.resources?.requests?.[name] ?? c.resources?.limits?.[name]), 0)

/** gpusOf are the pods that have GPUs, those with most first. */
export const gpusOf = (pods: readonly Pod[]) =>
  placed(pods)
    .map((p) => ({ namespace: p.metadata?.namespace ?? '', name: p.metadata?.name ?? '', gpus: askedBy(p, gpu) }))
    .filter((p) => p.gpus > 0)
    .sort((a, b) => b.gpus - a.gpus || a.name.localeCompare(b.name))
