import { send } from '../live/client'
import { addressOf, everything, type Entry } from './s3'

/** A Part of a file that S3 has. */
export interface Part {
  number: number
  tag: string
  size: number
}

/** A Wire is what an upload asks of S3. */
export interface Wire {
  put(bucket: string, key: string, data: Blob, signal: AbortSignal): Promise<void>
  start(bucket: string, key: string, type: string, signal: AbortSignal): Promise<string>
  part(bucket: string, key: string, upload: string, number: number, data: Blob, signal: AbortSignal): Promise<string>
  parts(bucket: string, key: string, upload: string, signal: AbortSignal): Promise<Part[]>
  finish(bucket: string, key: string, upload: string, parts: readonly Part[], signal: AbortSignal): Promise<void>
  abort(bucket: string, key: string, upload: string): Promise<void>
  list(bucket: string, prefix: string, signal: AbortSignal): AsyncIterable<Entry[]>
}

const textIn = (of: Element | Document, name: string) => of.getElementsByTagName(name)[0]?.textContent ?? ''
const read = async (response: Response) => new DOMParser().parseFromString(await response.text(), 'application/xml')
const at = (bucket: string, key: string, query: Record<string, string | number>) => `${addressOf(bucket, key)}?${new URLSearchParams(Object.entries(query).map(([n, v]) => [n, String(v)]))}`

/** s3 is the wire to weir's storage. */
export const s3: Wire = {
  put: async (bucket, key, data, signal) => void (await send('PUT', addressOf(bucket, key), data, { signal, type: data.type || 'application/octet-stream' })),
  start: async (bucket, key, type, signal) => textIn(await read(await send('POST', `${addressOf(bucket, key)}?uploads`, '', { signal, type: type || 'application/octet-stream' })), 'UploadId'),
  part: async (bucket, key, uploadId, partNumber, data, signal) =>
    (await send('PUT', at(bucket, key, { partNumber, uploadId }), data, { signal, type: 'application/octet-stream' })).headers.get('ETag') ?? '',
  async parts(bucket, key, uploadId, signal) {
    const found: Part[] = []
    for (let after = '0'; after !== '';) {
      const xml = await read(await send('GET', at(bucket, key, { uploadId, 'part-number-marker': after, 'max-parts': 1000 }), undefined, { signal }))
      for (const p of xml.getElementsByTagName('Part')) found.push({ number: Number(textIn(p, 'PartNumber')), tag: textIn(p, 'ETag'), size: Number(textIn(p, 'Size')) })
      after = textIn(xml, 'IsTruncated') === 'true' ? textIn(xml, 'NextPartNumberMarker') : ''
    }
    return found
  },
  async finish(bucket, key, uploadId, parts, signal) {
    const quoted = (tag: string) => tag.replace(/^"?|"?$/g, '&quot;')
    const body = parts.map((p) => `<Part><PartNumber>${p.number}</PartNumber><ETag>${quoted(p.tag)}</ETag></Part>`).join('')
    await send('POST', at(bucket, key, { uploadId }), `<CompleteMultipartUpload>${body}</CompleteMultipartUpload>`, { signal, type: 'application/xml' })
  },
  abort: async (bucket, key, uploadId) => void (await send('DELETE', at(bucket, key, { uploadId }))),
  list: everything,
}
