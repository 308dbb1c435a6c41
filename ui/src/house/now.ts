import { useSyncExternalStore } from 'react'

let now = Date.now()
const readers = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(reader: () => void) {
  readers.add(reader)
  now = Date.now()
  timer ??= setInterval(() => {
    if (document.hidden) return
    now = Date.now()
    for (const r of readers) r()
  }, 1000)
  return () => {
    readers.delete(reader)
    if (readers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** useNow is the time, and changes every second, or as seldom as grain says. */
export const useNow = (grain = 1000) => useSyncExternalStore(subscribe, () => now - (now % grain))
