import { linkOptions } from '@tanstack/react-router'
import type { Job } from './jobs/read'

// Links to objects are made here, and nowhere else.

export const jobLink = (job: Pick<Job, 'namespace' | 'name' | 'kind'>) =>
  linkOptions({ to: '/jobs/$namespace/$plural/$name', params: { namespace: job.namespace, plural: job.kind.plural, name: job.name } })

export const podLink = (namespace: string, name: string) => linkOptions({ to: '/pods/$namespace/$name', params: { namespace, name } })
