import { useMemo, useState } from 'react'
import { stringify } from 'yaml'
import { Choices } from '../house/Button'
import { Copy } from '../house/Copy'
import { YamlEditor } from '../house/YamlEditor'
import { apiVersionOf } from '../live/resource'
import type { Job } from './read'
import { useJobView } from './useJob'
import house from '../house/house.module.css'

/** writtenBy is a job as somebody would write it: without what the API server and the controllers add. */
export function writtenBy(job: Job): object {
  const { name, namespace, labels, annotations } = job.object.metadata
  const kept = Object.entries(annotations ?? {}).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration')
  return {
    apiVersion: apiVersionOf(job.kind),
    kind: job.kind.kind,
    metadata: { name, namespace, ...(labels && { labels }), ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }) },
    spec: job.object.spec,
  }
}

/** ManifestTab is the job as YAML. */
export function ManifestTab() {
  const { job } = useJobView()
  const [part, setPart] = useState<'written' | 'all'>('written')
  const text = useMemo(
    () => stringify(part === 'written' ? writtenBy(job) : { apiVersion: apiVersionOf(job.kind), kind: job.kind.kind, ...job.object }, { lineWidth: 0, aliasDuplicateObjects: false }),
    [job, part],
  )
  return (
    <>
      <div className={house.row}>
        <Choices label="Part" value={part} onChange={setPart} options={[{ value: 'written', label: 'As written' }, { value: 'all', label: 'With status' }]} />
        <Copy text={text} />
      </div>
      <YamlEditor label={`Manifest of ${job.name}`} value={text} />
    </>
  )
}
