import { useQuery } from '@tanstack/react-query'
import { call, type ApiError } from '../live/client'
import { podLogs, useRights } from '../live/rights'

/** A KeptPod is a pod of which weir keeps logs, for longer than the pod itself. */
export interface KeptPod {
  name: string
  uid: string
  created: string
  containers: { name: string; attempts: number[] }[]
}

/** useKept are the pods of a name, or with labels, of which logs are kept, the newest first: asked for anew when the pods that are there change. */
export function useKept(namespace: string, which: { pod: string } | { labelSelector: string }, there: string, wanted: boolean): readonly KeptPod[] | undefined {
  const may = useRights(namespace)
  const asked = wanted && may('get', podLogs)
  const { data, isError } = useQuery<{ items: KeptPod[] }, ApiError>({
    queryKey: ['kept', namespace, which, there],
    queryFn: ({ signal }) => call('GET', `/weir/logs/${encodeURIComponent(namespace)}?${new URLSearchParams(which)}`, undefined, { signal }),
    enabled: asked,
    retry: false, // Another cluster keeps none.
    placeholderData: (last) => last,
  })
  return data?.items ?? (isError || (may.known && !asked) ? none : undefined)
}

const none: readonly KeptPod[] = []

/** keptPath is where the log of an attempt is read. */
export const keptPath = (namespace: string, p: KeptPod, container: string, attempt: number) =>
  `/weir/logs/${[namespace, p.name, p.uid, container, String(attempt)].map(encodeURIComponent).join('/')}`

/**
 * goneOf are the pods that are gone, of those that logs are kept of: now are the
 * last of their names, whose names no pod has, and before are all others. Pods
 * from before an object was made are of another that had its name.
 */
export function goneOf(kept: readonly KeptPod[], there: readonly { name: string; uid: string }[], since = -Infinity): { now: KeptPod[]; before: KeptPod[] } {
  const names = new Set(there.map((p) => p.name))
  const uids = new Set(there.map((p) => p.uid))
  const gone: { now: KeptPod[]; before: KeptPod[] } = { now: [], before: [] }
  for (const p of kept) {
    // An object knows to the second when it was made.
    if (uids.has(p.uid) || Date.parse(p.created) < since - 1000 || p.containers.length === 0) continue
    gone[names.has(p.name) ? 'before' : 'now'].push(p)
    names.add(p.name)
  }
  return gone
}
