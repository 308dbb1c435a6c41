import type { NavigateOptions } from '@tanstack/react-router'
import type { Pod } from '../api/kubernetes'
import { useJobs } from '../jobs/useJobs'
import { pods } from '../live/resource'
import { useCollection } from '../live/useLive'
import { jobLink, podLink } from '../paths'
import { areas } from './areas'
import { useReach } from './session'

export interface Findable {
  id: string
  word: string
  more?: string
  to: NavigateOptions
}

/** useFindable is all that the palette finds. */
export function useFindable(): readonly Findable[] {
  const namespace = useReach()
  const { rows } = useJobs(namespace)
  const { items } = useCollection<Pod & { metadata: object }>(pods, { namespace })
  return [
    { id: 'new job', word: 'New job', more: 'action', to: { to: '/jobs/new' } },
    ...areas.map((a) => ({ id: a.to, word: a.word, more: 'page', to: { to: a.to } })),
    ...rows.map((r) => ({ id: r.key, word: r.name, more: `${r.kind.kind} in ${r.namespace}, ${r.state}`, to: jobLink(r) as NavigateOptions })),
    ...items.map((p) => {
      const { namespace = '', name = '' } = p.metadata
      return { id: `pods/${namespace}/${name}`, word: name, more: `Pod in ${namespace}`, to: podLink(namespace, name) as NavigateOptions }
    }),
  ]
}
