import { useQuery } from '@tanstack/react-query'
import { Field } from '../../house/Field'
import { buckets } from '../../storage/s3'
import { codeOf, faultIn, packagesOf, takesPackages, writeCode, writePackages } from './code'
import type { Manifest, Part } from './manifest'
import s from './new.module.css'

/** CodeFields say where a job's program is fetched from, and which packages it needs. */
export function CodeFields({ manifest, parts, change }: { manifest: Manifest; parts: readonly Part[]; change: (text: string) => void }) {
  const code = codeOf(parts[0])?.code
  const known = useQuery({ queryKey: ['buckets'], queryFn: ({ signal }) => buckets(signal), enabled: code?.from === 'storage', retry: false })
  return (
    <>
      {code?.from === 'git' && (
        <div className={s.wide}>
          <Field label="Git address" error={code.address ? faultIn(code) : undefined} hint="The command runs in the repository’s folder." render={(p) => (
            <input {...p} required spellCheck={false} placeholder="https://example.org/owner/repository.git" value={code.address} onChange={(e) => change(writeCode(manifest, parts, { ...code, address: e.target.value.trim() }))} />
          )} />
          <Field label="Branch or tag" render={(p) => (
            <input {...p} spellCheck={false} placeholder="its main one" value={code.branch} onChange={(e) => change(writeCode(manifest, parts, { ...code, branch: e.target.value.trim() }))} />
          )} />
        </div>
      )}
      {code?.from === 'storage' && (
        <Field label="Folder" error={code.folder ? faultIn(code) : undefined} hint="It is copied when a replica starts, and the command runs in it." render={(p) => (
          <>
            <input {...p} required spellCheck={false} list="buckets" placeholder="s3://bucket/folder/" value={code.folder} onChange={(e) => change(writeCode(manifest, parts, { ...code, folder: e.target.value.trim() }))} />
            <datalist id="buckets">{known.data?.map((b) => <option key={b.name} value={`s3://${b.name}/`} />)}</datalist>
          </>
        )} />
      )}
      {takesPackages(parts[0]) && (
        <Field label="Packages" hint="As pip names them. weir builds an environment of them, once." render={(p) => (
          <input {...p} spellCheck={false} placeholder="none but Python’s own" defaultValue={packagesOf(parts[0]).join(' ')} key={packagesOf(parts[0]).join(' ')}
            onBlur={(e) => change(writePackages(manifest, parts, e.target.value.split(/[\s,]+/).filter(Boolean)))} />
        )} />
      )}
    </>
  )
}
