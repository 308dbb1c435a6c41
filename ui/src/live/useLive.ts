import { useCallback, useMemo, useRef, useSyncExternalStore } from 'react'
import { collection, type Selection, type Snapshot } from './collection'
import type { KubeObject, Resource } from './resource'

/** useCollection reads the objects of a kind, and keeps reading. */
export function useCollection<T extends KubeObject>(resource: Resource, selection: Selection = {}): Snapshot<T> & { retry: () => void } {
  const { namespace, labels, fields } = selection
  const c = useMemo(
    () => collection<T>(resource, { ...(namespace && { namespace }), ...(labels && { labels }), ...(fields && { fields }) }),
    [resource, namespace, labels, fields],
  )
  const snapshot = useSyncExternalStore(c.subscribe, c.current)
  return useMemo(() => ({ ...snapshot, retry: c.retry }), [snapshot, c])
}

/** useCollections reads several kinds at once. The resources must be the same array at each call. */
export function useCollections<T extends KubeObject>(resources: readonly Resource[], namespace = ''): readonly Snapshot<T>[] {
  const all = useMemo(() => resources.map((r) => collection<T>(r, namespace ? { namespace } : {})), [resources, namespace])
  const last = useRef<readonly Snapshot<T>[]>([])
  const subscribe = useCallback(
    (reader: () => void) => {
      const ends = all.map((c) => c.subscribe(reader))
      return () => ends.forEach((end) => end())
    },
    [all],
  )
  const current = useCallback(() => {
    const now = all.map((c) => c.current())
    const same = now.length === last.current.length && now.every((s, i) => s === last.current[i])
    if (!same) last.current = now
    return last.current
  }, [all])
  return useSyncExternalStore(subscribe, current)
}

/** useObject reads one object. When it has been deleted, object is what it was and gone is true. */
export function useObject<T extends KubeObject>(resource: Resource, namespace: string, name: string) {
  const { items, phase, problem, deleted, retry } = useCollection<T>(resource, { namespace, fields: `metadata.name=${name}` })
  const object = items[0] ?? deleted
  return { object, gone: items.length === 0 && (deleted !== undefined || phase === 'live'), phase, problem, retry }
}
