import { Link, useSearch } from '@tanstack/react-router'
import { Icon } from '../house/Icon'
import { Page } from '../house/Page'
import { Buckets } from './Buckets'
import { Claims } from './Claims'
import { FileView } from './FileView'
import { Folder } from './Folder'
import { KeysCard } from './KeysCard'
import s from './storage.module.css'

/** A Place is what of the storage is looked at. It stands in the address. */
export interface Place {
  bucket?: string
  prefix?: string
  file?: string
  /** What files are narrowed down to and sorted by. */
  q?: string
  sort?: string
}

/** StoragePage is what jobs read and leave: buckets, the files in them, and volumes. */
export function StoragePage() {
  const { bucket, prefix = '', file } = useSearch({ from: '/storage' })
  if (!bucket)
    return (
      <Page title="Storage" command="aws s3 ls">
        <div className={s.page}>
          <Buckets />
          <KeysCard />
          <Claims />
        </div>
      </Page>
    )
  const parts = prefix.split('/').filter(Boolean)
  return (
    <Page title={file ?? parts.at(-1) ?? bucket} fill command={`aws s3 ls s3://${bucket}/${prefix}`}
      crumbs={
        <>
          <Link to="/storage" search={{}}>Storage</Link> <Icon name="right" size={12} />
          <Link to="/storage" search={{ bucket }}>{bucket}</Link>
          {parts.map((part, i) => (
            <span key={i}><Icon name="right" size={12} /> <Link to="/storage" search={{ bucket, prefix: `${parts.slice(0, i + 1).join('/')}/` }}>{part}</Link></span>
          ))}
        </>
      }>
      {file ? <FileView bucket={bucket} path={prefix + file} /> : <Folder key={bucket + prefix} bucket={bucket} prefix={prefix} />}
    </Page>
  )
}
