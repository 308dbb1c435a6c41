import { call, send } from '../live/client'

/** An Entry is what a bucket or a folder in it holds. */
export interface Entry {
  /** The key, of a folder with the slash at its end. */
  key: string
  name: string
  folder: boolean
  size: number
  changed?: string
}

/** A Listing is one folder. There is more where more says after what. */
export interface Listing {
  entries: Entry[]
  more?: string
}

const keyPath = (bucket: string, key: string) => `/weir/s3/${encodeURIComponent(bucket)}/${key.split('/').map(encodeURIComponent).join('/')}`

/** addressOf is where the browser finds a file. */
export const addressOf = keyPath

const text = (of: Element, name: string) => of.getElementsByTagName(name)[0]?.textContent ?? ''

/** buckets are those that one may look into. */
export async function buckets(signal: AbortSignal): Promise<{ name: string; made: string }[]> {
  const xml = await read('/weir/s3', signal)
  return [...xml.getElementsByTagName('Bucket')].map((b) => ({ name: text(b, 'Name'), made: text(b, 'CreationDate') }))
}

/** list is what lies in a folder, folders first. */
export async function list(bucket: string, prefix: string, after: string, signal: AbortSignal): Promise<Listing> {
  const query = new URLSearchParams({ 'list-type': '2', delimiter: '/', prefix, 'max-keys': '1000' })
  if (after !== '') query.set('continuation-token', after)
  return listingOf(await read(`/weir/s3/${encodeURIComponent(bucket)}?${query}`, signal), prefix)
}

/** listingOf reads what S3 says of a folder. */
export function listingOf(xml: Document, prefix: string): Listing {
  const folders = [...xml.getElementsByTagName('CommonPrefixes')].map((p): Entry => {
    const key = text(p, 'Prefix')
    return { key, name: key.slice(prefix.length), folder: true, size: 0 }
  })
  const files = [...xml.getElementsByTagName('Contents')].flatMap((c): Entry[] => {
    const key = text(c, 'Key')
    return key === prefix ? [] : [{ key, name: key.slice(prefix.length), folder: false, size: Number(text(c, 'Size')), changed: text(c, 'LastModified') }]
  })
  const more = text(xml.documentElement, 'NextContinuationToken')
  return { entries: [...folders, ...files], ...(more && { more }) }
}

async function read(path: string, signal?: AbortSignal): Promise<Document> {
  return new DOMParser().parseFromString(await (await send('GET', path, undefined, signal ? { signal } : {})).text(), 'application/xml')
}

export const makeBucket = (name: string) => send('PUT', `/weir/s3/${encodeURIComponent(name)}`)
export const removeFile = (bucket: string, key: string) => send('DELETE', keyPath(bucket, key))

/** everything are all files below a prefix, also those in folders, a thousand at a time. */
export async function* everything(bucket: string, prefix: string, signal?: AbortSignal): AsyncGenerator<Entry[]> {
  let after = ''
  do {
    const query = new URLSearchParams({ 'list-type': '2', prefix, 'max-keys': '1000', ...(after && { 'continuation-token': after }) })
    const { entries, more = '' } = listingOf(await read(`/weir/s3/${encodeURIComponent(bucket)}?${query}`, signal), prefix)
    yield entries
    after = more
  } while (after !== '')
}

/** removeBucket takes a bucket away that nothing lies in. */
export const removeBucket = (name: string) => send('DELETE', `/weir/s3/${encodeURIComponent(name)}`)

/** linkTo makes a link by which anyone reads a file, for so many seconds. */
export const linkTo = (bucket: string, key: string, seconds: number) =>
  call<{ url: string; expires: string }>('POST', `${keyPath(bucket, key).replace('/weir/s3/', '/weir/s3-links/')}?expires=${seconds}`)

/** Keys are by which programs sign what they ask of S3. */
export interface Keys {
  endpoint: string
  region: string
  accessKey: string
  secretKey: string
  namespace: string
  expires?: string
}

export const keysFor = (namespace: string) => call<Keys>('PUT', `/weir/s3-keys/${encodeURIComponent(namespace)}`)
export const takeBackKeys = (namespace: string) => send('DELETE', `/weir/s3-keys/${encodeURIComponent(namespace)}`)

/** A Kind is how a file can be shown. */
export type Kind = 'text' | 'image' | 'table' | 'json' | 'numpy' | 'keras' | 'scalars' | 'none'

/** previewOf is how a file can be shown, by its name. */
export function previewOf(name: string): Kind {
  const file = name.split('/').at(-1) ?? name
  if (file.includes('tfevents')) return 'scalars'
  if (/\.(png|jpe?g|gif|webp|svg)$/i.test(file)) return 'image'
  if (/\.(csv|tsv)$/i.test(file)) return 'table'
  if (/\.(json|ipynb)$/i.test(file)) return 'json'
  if (/\.np[yz]$/i.test(file)) return 'numpy'
  if (/\.keras$/i.test(file)) return 'keras'
  if (/\.(txt|log|md|jsonl|ya?ml|py|sh|toml|ini|cfg|xml|html?)$/i.test(file) || !file.includes('.')) return 'text'
  return 'none'
}

/** namespaceOf is the namespace that a bucket belongs to, of those that one knows: the longest by whose name it begins. A bucket of none is ''. */
export const namespaceOf = (bucket: string, known: readonly string[]) =>
  known.filter((n) => bucket === n || bucket.startsWith(`${n}-`)).sort((a, b) => b.length - a.length)[0] ?? ''
