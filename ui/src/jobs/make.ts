import { kindNamed } from './kinds'
import { jobOf, type Job, type JobObject } from './read'

/** makeJob is a job for tests: whatever a test does not mention is filled in. */
export function makeJob(kind: string, o: { name?: string; created?: string; spec?: unknown; status?: unknown } = {}): Job {
  const k = kindNamed(kind)
  if (!k) throw new Error(`kind ${kind}: there is none`)
  const object: JobObject = {
    metadata: { name: o.name ?? 'mnist', namespace: 'default', creationTimestamp: o.created ?? '2026-11-25T10:00:00Z' },
    spec: o.spec ?? {},
    status: o.status ?? {},
  }
  return jobOf(object, k)
}

export const condition = (type: string, more: Record<string, string> = {}) => ({ type, status: 'True', ...more })
