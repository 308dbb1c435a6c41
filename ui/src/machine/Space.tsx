import { useQuery } from '@tanstack/react-query'
import { Bar } from '../house/Page'
import { bytes } from '../house/say'
import { call, type ApiError } from '../live/client'

interface Disk {
  size: number
  free: number
  parts: { name: string; bytes: number; partial?: boolean }[]
}

/** Space shows how full the disk of weir's folder is, and what of it is whose: a line of Use. */
export function Space() {
  const disk = useQuery<Disk, ApiError>({ queryKey: ['machine', 'space'], queryFn: ({ signal }) => call('GET', '/weir/machine/space', undefined, { signal }), staleTime: 60_000, retry: false })
  if (disk.error?.status === 404) return null // Somebody else's cluster.
  if (!disk.data) return <li><strong>Storage</strong><span>{disk.error ? 'cannot be read' : '…'}</span>{disk.error && <small>{disk.error.message}</small>}</li>
  const { size, free, parts } = disk.data
  const full = 1 - free / size
  return (
    <li>
      <strong>Storage</strong>
      <span>{bytes(size - free)} of {bytes(size)}</span>
      <Bar value={full} label="Storage" state={full > 0.85 ? 'waiting' : 'running'} />
      <small>{parts.map((p) => `${p.name} ${p.partial ? 'more than ' : ''}${bytes(p.bytes)}`).join(', ')}</small>
    </li>
  )
}
