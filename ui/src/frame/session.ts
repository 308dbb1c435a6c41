import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { call, type ApiError } from '../live/client'

/** A Session is who is signed in, and how. */
export interface Session {
  user: string
  groups?: string[]
  via?: string
  expires?: string
  /** The namespaces that this person may see, where it is not all of them. */
  namespaces?: string[]
}

/** useSession tells who is signed in. Its error has the status 401 when nobody is. */
export function useSession() {
  const client = useQueryClient()
  useEffect(() => {
    const ended = () => void client.invalidateQueries({ queryKey: ['session'] })
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
