import { useQuery } from '@tanstack/react-query'
import { call, type ApiError } from './client'

/** An Explanation is why something does not move, and what to do. */
export interface Explanation {
  state: string
  sentence: string
  remedy?: string
  facts?: string[]
}

/** useExplained asks why an object is as it is, anew whenever versions change: those of the object and of what it consists of. */
export function useExplained(of: { apiVersion: string; kind: string; namespace: string; name: string }, versions: string, asked: boolean) {
  return useQuery<Explanation, ApiError>({
    queryKey: ['explain', ...Object.values(of), versions],
    queryFn: ({ signal }) => call('GET', `/weir/explain?${new URLSearchParams(of)}`, undefined, { signal }),
    enabled: asked,
    retry: false,
    gcTime: 10_000,
    placeholderData: (last) => last,
  })
}
