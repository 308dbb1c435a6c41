import { ApiError, send } from '../live/client'

/** A Source is a file of which parts can be read. */
export interface Source {
  /** read returns the bytes from one place up to another, or the last ones if from is negative, and how long the file is. */
  read: (from: number, to?: number) => Promise<{ bytes: Uint8Array; at: number; size: number }>
}

/** sourceOf reads the file at an address by its ranges. */
export function sourceOf(address: string, signal?: AbortSignal): Source {
  return {
    read: async (from, to) => {
      try {
        const response = await send('GET', address, undefined, {
          ...(signal && { signal }), headers: { Range: from < 0 ? `bytes=${from}` : `bytes=${from}-${to === undefined ? '' : to - 1}` },
        })
        const bytes = new Uint8Array(await response.arrayBuffer())
        const said = /bytes (\d+)-\d+\/(\d+)/.exec(response.headers.get('Content-Range') ?? '')
        return { bytes, at: Number(said?.[1] ?? 0), size: Number(said?.[2] ?? bytes.length) }
      } catch (error) {
        if (error instanceof ApiError && error.status === 416) return { bytes: new Uint8Array(), at: 0, size: 0 } // It is empty.
        throw error
      }
    },
  }
}

/** bytesOf is a source over what is in memory. */
export const bytesOf = (all: Uint8Array): Source => ({
  read: (from, to) => {
    const at = from < 0 ? Math.max(0, all.length + from) : from
    return Promise.resolve({ bytes: all.slice(at, to), at, size: all.length })
  },
})
