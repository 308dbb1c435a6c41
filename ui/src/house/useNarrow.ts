import { useSyncExternalStore } from 'react'

const query = typeof matchMedia === 'function' ? matchMedia('(max-width: 720px)') : undefined

function subscribe(reader: () => void) {
  query?.addEventListener('change', reader)
  return () => query?.removeEventListener('change', reader)
}

/** useNarrow tells whether the page is as wide as a phone. */
export const useNarrow = () => useSyncExternalStore(subscribe, () => query?.matches ?? false)
