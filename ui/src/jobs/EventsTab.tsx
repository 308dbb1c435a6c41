import { useCallback } from 'react'
import { Events } from '../house/Events'
import { useJobView } from './useJob'

/** EventsTab is what happened to a job and to what belongs to it, which all begins with its name. */
export function EventsTab() {
  const { job } = useJobView()
  const { name } = job
  return <Events namespace={job.namespace} isMeant={useCallback((of: string) => of === name || of.startsWith(`${name}-`), [name])} />
}
