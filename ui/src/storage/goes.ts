import { bytes, count } from '../house/say'
import { everything, removeBucket, removeFile, type Entry } from './s3'

/** What goes when somebody deletes: every file, and how much that is. */
export interface Going {
  keys: string[]
  size: number
  files: number
}

/** goingOf finds all that lies in files and folders, before anybody is asked whether it shall go. */
export async function goingOf(bucket: string, entries: readonly Entry[], list = everything): Promise<Going> {
  const going: Going = { keys: [], size: 0, files: 0 }
  const add = (e: Entry) => {
    going.keys.push(e.key)
    going.size += e.size
    if (!e.key.endsWith('/')) going.files++
  }
  for (const e of entries) {
    if (!e.folder) add(e)
    else {
      for await (const some of list(bucket, e.key)) some.forEach(add)
      if (e.key !== '') going.keys.push(e.key) // a folder may be an object of its own
    }
  }
  return going
}

/** saidOf says what goes: 1,204 files, 3.4 GB: a.txt, b.txt and 1,202 more. */
export function saidOf(going: Going): string {
  const names = going.keys.filter((k) => !k.endsWith('/'))
  const some = names.slice(0, 5).join(', ')
  return `${count(going.files, 'file')}, ${bytes(going.size)}${some && `: ${some}`}${names.length > 5 ? ` and ${(names.length - 5).toLocaleString('en')} more` : ''}`
}

const atOnce = 6

/** removeAll deletes what goes, a few at once, and the bucket with it if that is meant. */
export async function removeAll(bucket: string, going: Going, andBucket = false, remove = removeFile): Promise<void> {
  // What lies deeper goes first: a folder that is an object goes when nothing is in it.
  const queue = [...going.keys].sort((a, b) => (a < b ? -1 : 1))
  const files = queue.filter((k) => !k.endsWith('/'))
  const folders = queue.filter((k) => k.endsWith('/'))
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let key = files.pop(); key !== undefined; key = files.pop()) await remove(bucket, key)
  }))
  for (let key = folders.pop(); key !== undefined; key = folders.pop()) await remove(bucket, key)
  if (andBucket) await removeBucket(bucket)
}
