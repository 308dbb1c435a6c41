import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import type { Namespace } from '../api/kubernetes'
import { call, type ApiError } from '../live/client'
import { namespaces } from '../live/resource'
import { useCollections } from '../live/useLive'

/** A Session is who is signed in, and how. */
export interface Session {
  user: string
  groups?: string[]
  via?: string
  expires?: string
  /** Whether this person has a password; left out for whom weir does not keep. */
  password?: boolean
  /** The namespaces that this person may see, where it is not all of them. */
  namespaces?: string[]
}

/** useSession tells who is signed in. Its error has the status 401 when nobody is. */
export function useSession() {
  const client = useQueryClient()
  useEffect(() => {
    const ended = () => void client.invalidateQueries({ queryKey: ['session'] }, { cancelRefetch: false })
    window.addEventListener('weir:signed-out', ended)
    return () => window.removeEventListener('weir:signed-out', ended)
  }, [client])
  return useQuery<Session, ApiError>({
    queryKey: ['session'],
    queryFn: () => call<Session>('GET', '/session'),
    staleTime: Infinity,
    retry: (_, problem) => problem.status === 0 || problem.status >= 500,
    retryDelay: 2000,
  })
}

/** useReach is where one may look at all at once: a namespace, or everywhere, which is ''. */
export function useReach(): string {
  const { data } = useSession()
  const { ns } = useSearch({ from: '__root__' })
  return data?.namespaces ? (ns ?? '') : ''
}

const hidden = /^kube-|^weir-system$/
const none = [] as const
const those = [namespaces] as const

/** useNamespaces are the namespaces that one may see, by name. */
export function useNamespaces(): readonly string[] {
  const { data } = useSession()
  // Who may not list them is not to ask for them.
  const [all] = useCollections<Namespace & { metadata: object }>(data && !data.namespaces ? those : none)
  return data?.namespaces ?? (all?.items ?? []).map((n) => n.metadata.name ?? '').filter((n) => !hidden.test(n)).sort()
}
