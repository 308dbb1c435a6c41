import { useQuery } from '@tanstack/react-query'
import type { Node, Pod } from '../api/kubernetes'
import { quantity } from '../house/say'
import { call, type ApiError } from '../live/client'
import { askedBy, gpu, placed } from './gpus'
import { nodeMetrics, podMetrics, useRights, everywhere } from '../live/rights'

interface Measured {
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

/** A Share is how much of something there is, is asked for by pods, and is used. */
export interface Share {
  what: 'cpu' | 'memory' | 'gpu'
  all: number
  asked: number
  used?: number
}

/** sharesOf adds up what nodes have, what the pods on them ask for, and what is used. */
export function sharesOf(nodes: readonly Node[], pods: readonly Pod[], measured: readonly Measured[] | undefined): Share[] {
  const there = placed(pods)
  const has = (name: string) => nodes.reduce((n, node) => n + quantity(node.status?.allocatable?.[name]), 0)
  const asks = (name: string) => there.reduce((n, p) => n + askedBy(p, name), 0)
  const uses = (name: 'cpu' | 'memory') => measured?.reduce((n, m) => n + quantity(m.usage?.[name]), 0)
  const share = (what: Share['what'], name: string, used: number | undefined): Share => ({ what, all: has(name), asked: asks(name), ...(used !== undefined && { used }) })
  return [share('cpu', 'cpu', uses('cpu')), share('memory', 'memory', uses('memory')), share('gpu', gpu, undefined)].filter((s) => s.all > 0)
}
