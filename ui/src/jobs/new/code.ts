import { cloning, copying } from './blank'
import { readManifest, writeIn, type Manifest, type Part } from './manifest'

/** A Code is what fetches a job's program, as its manifest says it. */
export type Code = { from: 'git'; address: string; branch: string } | { from: 'storage'; folder: string }

/** codeOf is what fetches the program of a job, if something does that the form knows. */
export function codeOf(part: Part | undefined): { code: Code; index: number } | undefined {
  for (const [index, c] of (part?.template?.spec?.initContainers ?? []).entries()) {
    const words = c.command ?? []
    if (words[0] === 'git' && words[1] === 'clone') {
      const branch = words.find((w) => w.startsWith('--branch='))?.slice('--branch='.length) ?? ''
      const rest = words.slice(2).filter((w) => !w.startsWith('--'))
      return { index, code: { from: 'git', address: rest[0] ?? '', branch } }
    }
    if (words[0] === 'aws' && words[1] === 's3' && words[2] === 'cp')
      return { index, code: { from: 'storage', folder: words.slice(3).find((w) => !w.startsWith('--')) ?? '' } }
  }
  return undefined
}

/** writeCode changes what fetches the program, in all of a job's pods. */
export function writeCode(m: Manifest, parts: readonly Part[], code: Code): string {
  const { command } = code.from === 'git' ? cloning(code.address, code.branch) : copying(code.folder)
  const paths = parts.flatMap((p) => {
    const found = codeOf(p)
    return found && p.pod ? [[...p.pod, 'spec', 'initContainers', found.index, 'command']] : []
  })
  return writeIn(m, m.at, paths, command)
}

/** faultIn is what is wrong with where a program is said to be, and what to write. */
export function faultIn(code: Code): string | undefined {
  if (code.from === 'storage') return /^s3:\/\/[a-z0-9][a-z0-9.-]+\/(.*\/)?$/.test(code.folder) ? undefined : 'A folder in storage, with the slash at its end: s3://bucket/folder/'
  if (/:\/\/[^/@]*:[^/@]*@/.test(code.address)) return 'Who sees the job would see the password: leave it out, and let the pods have it from a Secret.'
  if (/^(https?|ssh|git):\/\/[^\s/]+\/\S+$|^[\w.-]+@[\w.-]+:\S+$/.test(code.address)) return undefined
  return 'An address that git clone takes: https://example.org/owner/repository.git'
}

// As the program's admission reads them.
const packages = 'weir-ml.github.io/packages'
const bare = /^(docker\.io\/)?(library\/)?python(:(latest|3[a-z0-9.-]*))?$/

/** takesPackages tells whether weir gives a part's pods packages: in place of a bare Python. */
export const takesPackages = (part: Part | undefined) => part?.pod !== undefined && bare.test(part.main?.image ?? '')

/** packagesOf are the packages that a part's pods ask for. */
export const packagesOf = (part: Part | undefined): string[] => (part?.template?.metadata?.annotations?.[packages] ?? '').split('\n').map((l) => l.trim()).filter(Boolean)

/** writePackages has all of a job's pods ask for packages. */
export function writePackages(m: Manifest, parts: readonly Part[], wanted: readonly string[]): string {
  const at = (where: string) => parts.flatMap((p) => (p.pod ? [[...p.pod, 'metadata', where, packages]] : []))
  const listed = readManifest(writeIn(m, m.at, at('annotations'), wanted.length > 0 ? wanted.join('\n') : undefined))
  return writeIn(listed, listed.at, at('labels'), wanted.length > 0 ? 'true' : undefined)
}
