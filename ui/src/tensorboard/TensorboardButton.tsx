import { useMutation } from '@tanstack/react-query'
import { Button } from '../house/Button'
import { call, problemOf } from '../live/client'
import { tensorboards, useRights } from '../live/rights'
import house from '../house/house.module.css'

/** A Wanted is what TensorBoard shows: what a job writes, or what lies in a place such as s3://bucket/folder. */
export type Wanted = { logspath: string } | { apiVersion: string; kind: string; name: string }

/** A TensorboardButton opens TensorBoard in a window of its own, which says why while it does not answer. It is there for who may make one. */
export function TensorboardButton({ namespace, wanted }: { namespace: string; wanted: Wanted }) {
  const open = useMutation({
    mutationFn: () => call<{ path: string }>('POST', `/weir/tensorboards/${encodeURIComponent(namespace)}`, wanted),
    // What it shows may be another's program: it gets no hold of this page.
    onSuccess: ({ path }) => window.open(path, '_blank', 'noopener'),
  })
  if (!useRights(namespace)('create', tensorboards)) return null
  return (
    <>
      <Button disabled={open.isPending} onClick={() => open.mutate()}>TensorBoard</Button>
      {open.error && <span role="alert" className={house.error}>{problemOf(open.error).message}</span>}
    </>
  )
}
