import { useSyncExternalStore } from 'react'
import { openCollections } from '../live/collection'

/** useConnection tells whether what the page shows is as it is now. */
export function useConnection(): 'live' | 'lost' {
  return useSyncExternalStore(subscribe, () =>
    openCollections().some((c) => c.current().phase === 'lost' || c.current().problem?.status === 0) ? 'lost' : 'live',
  )
}

// Collections come and go with pages; a look each second is enough for a bar.
function subscribe(reader: () => void) {
  const timer = setInterval(reader, 1000)
  return () => clearInterval(timer)
}
