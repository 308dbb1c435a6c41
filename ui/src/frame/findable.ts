import type { NavigateOptions } from '@tanstack/react-router'
import { useJobs } from '../jobs/useJobs'
import { jobLink } from '../paths'
import { areas } from './areas'

export interface Findable {
  id: string
  word: string
  more?: string
  to: NavigateOptions
}

/** useFindable is all that the palette finds. */
export function useFindable(): readonly Findable[] {
  const { rows } = useJobs('')
  return [
    ...areas.map((a) => ({ id: a.to, word: a.word, more: 'page', to: { to: a.to } })),
    ...rows.map((r) => ({ id: r.key, word: r.name, more: `${r.kind.kind} in ${r.namespace}, ${r.state}`, to: jobLink(r) as NavigateOptions })),
  ]
}
