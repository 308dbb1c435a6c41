import { useMemo } from 'react'
import { goneOf, keptPath, useKept } from './kept'
import { LogView } from './LogView'
import type { Source } from './reader'

/** KeptLogs are the logs of what is gone, if weir keeps any: those of the last pods that had the name or the labels. */
export function KeptLogs({ namespace, name, which, labelOf }: {
  namespace: string
  name: string
  which: { pod: string } | { labelSelector: string }
  labelOf: (pod: string, container: string) => string
}) {
  const kept = useKept(namespace, which, '', true)
  const sources = useMemo(
    () => goneOf(kept ?? [], []).now.flatMap((p) => p.containers.map((c) => ({ p, c }))).map(({ p, c }, i): Source => ({
      namespace, pod: p.name, container: c.name, label: labelOf(p.name, c.name), colour: i, started: true, ended: true, kept: keptPath(namespace, p, c.name, c.attempts.at(-1) ?? 0),
    })),
    [kept, namespace, labelOf],
  )
  return sources.length > 0 ? <LogView name={name} sources={sources} /> : null
}
