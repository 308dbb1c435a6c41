import { useQuery } from '@tanstack/react-query'
import type { Node, Pod } from '../api/kubernetes'
import { bytes, quantity } from '../house/say'
import { call, type ApiError } from '../live/client'
import { askedBy, gpu, placed } from './gpus'
import { nodeMetrics, podMetrics, useRights, everywhere } from '../live/rights'

/** Measured is what a node, or the containers of a pod, used lately. */
export interface Measured {
  metadata: { name: string; namespace?: string }
  usage?: { cpu?: string; memory?: string }
  containers?: { usage: { cpu?: string; memory?: string } }[]
}

// The API of metrics knows no watch: what it tells is a measurement, and asked for as long as somebody looks.
const useMeasured = (what: 'nodes' | 'pods', namespace: string, enabled: boolean) =>
  useQuery<Measured[], ApiError>({
    queryKey: ['metrics', what, namespace],
    queryFn: async ({ signal }) => (await call<{ items: Measured[] }>('GET', `/apis/metrics.k8s.io/v1beta1/${namespace && `namespaces/${namespace}/`}${what}`, undefined, { signal })).items,
    refetchInterval: 5000,
    retry: false,
    enabled,
  })

export const useNodeMetrics = () => useMeasured('nodes', '', useRights(everywhere)('list', nodeMetrics))
/** usePodMetrics is what the pods of a namespace use, or, for '', all. */
export const usePodMetrics = (namespace: string) => useMeasured('pods', namespace, useRights(namespace)('list', podMetrics))

/** usedBy is how much the containers of a pod use, as far as it has been measured. */
export const usedBy = (m: Pick<Measured, 'containers'> | undefined, what: 'cpu' | 'memory') => (m?.containers ?? []).reduce((n, c) => n + quantity(c.usage[what]), 0)

/** A Share is how much of something there is, is asked for by pods, and is used. */
export interface Share {
  what: 'cpu' | 'memory' | 'gpu'
  all: number
  asked: number
  used?: number
}

const nameOf: Record<Share['what'], string> = { cpu: 'cpu', memory: 'memory', gpu }

/** shareNames, saidOf and unitOf are how pages call what is shared, and say how much of it. */
export const shareNames: Record<Share['what'], string> = { cpu: 'CPU', memory: 'Memory', gpu: 'GPU' }
export const saidOf = (what: Share['what'], n: number) => (what === 'memory' ? bytes(n) : n > 0 && n < 0.01 ? 'under 0.01' : String(Math.round(n * 100) / 100))
export const unitOf = (what: Share['what']) => (what === 'cpu' ? ' cores' : '')

/** sharesOf adds up what nodes have, what the pods on them ask for, and what is used. */
export function sharesOf(nodes: readonly Node[], pods: readonly Pod[], measured: readonly Measured[] | undefined): Share[] {
  const there = placed(pods)
  const has = (name: string) => nodes.reduce((n, node) => n + quantity(node.status?.allocatable?.[name]), 0)
  const asks = (name: string) => there.reduce((n, p) => n + askedBy(p, name), 0)
  const uses = (name: 'cpu' | 'memory') => measured?.reduce((n, m) => n + quantity(m.usage?.[name]), 0)
  const share = (what: Share['what'], used: number | undefined): Share => ({ what, all: has(nameOf[what]), asked: asks(nameOf[what]), ...(used !== undefined && { used }) })
  return [share('cpu', uses('cpu')), share('memory', uses('memory')), share('gpu', undefined)].filter((s) => s.all > 0)
}

/** usesOf adds up what those of some pods that are on a node ask for, and what they use, where that is measured. */
export function usesOf(pods: readonly Pod[], measured: readonly Measured[] | undefined): Omit<Share, 'all'>[] {
  const there = placed(pods)
  const names = new Set(there.map((p) => `${p.metadata?.namespace}/${p.metadata?.name}`))
  const theirs = measured?.filter((m) => names.has(`${m.metadata.namespace}/${m.metadata.name}`))
  return (['cpu', 'memory', 'gpu'] as const).map((what) => ({
    what, asked: there.reduce((n, p) => n + askedBy(p, nameOf[what]), 0),
    ...(what !== 'gpu' && theirs && theirs.length > 0 && { used: theirs.reduce((n, m) => n + usedBy(m, what), 0) }),
  }))
}
