import { useRef, useState, useSyncExternalStore, type DragEvent, type ReactNode } from 'react'
import { Button } from '../house/Button'
import { Bar } from '../house/Page'
import { bytes, count } from '../house/say'
import { filesIn, uploads, type Sent } from './uploads'
import house from '../house/house.module.css'
import s from './storage.module.css'

/** UploadBox is a place that files and folders are put into: chosen, or dropped anywhere on it. */
export function UploadBox({ bucket, prefix, may, tools, onEnd, children }: { bucket: string; prefix: string; may: boolean; tools: ReactNode; onEnd: () => Promise<unknown>; children: ReactNode }) {
  const state = useSyncExternalStore(uploads.subscribe, uploads.current)
  const [over, setOver] = useState(false)
  const files = useRef<HTMLInputElement>(null)
  const folder = useRef<HTMLInputElement>(null)
  const busy = state.batch !== undefined
  const here = state.batch?.bucket === bucket && state.batch.prefix === prefix
  const interrupted = uploads.interrupted(bucket, prefix)
  const put = async (sent: readonly Sent[]) => {
    if (sent.length === 0 || !may || busy) return
    await uploads.send(bucket, prefix, sent)
    await onEnd()
  }
  const drop = (e: DragEvent) => {
    e.preventDefault()
    setOver(false)
    void filesIn(e.dataTransfer).then(put)
  }
  const picker = (ref: typeof files, label: string, whole: boolean) => (
    <input ref={ref} disabled={!may || busy} type="file" multiple className="visually-hidden" aria-label={label} tabIndex={-1} {...(whole && { webkitdirectory: '' })}
      onChange={(e) => { void put([...(e.target.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }))); e.target.value = '' }} />
  )
  return (
    <div className={s.folder} data-over={over || undefined} onDragOver={(e) => { e.preventDefault(); setOver(may) }} onDragLeave={() => setOver(false)} onDrop={drop}>
      <div className={house.row}>
        {may && <Button icon="up" disabled={busy} onClick={() => files.current?.click()}>Upload</Button>}
        {may && <Button disabled={busy} onClick={() => folder.current?.click()}>Upload a folder</Button>}
        {picker(files, 'Files to upload', false)}
        {picker(folder, 'Folder to upload', true)}
        {may && <span className={house.muted}>or drop them here</span>}
        {tools}
      </div>
      {state.batch && (
        <div className={s.sending} role="status">
          <span>{count(state.done, 'file')} of {state.batch.files.toLocaleString('en')}, {bytes(state.sent)} of {bytes(state.batch.bytes)}{here ? '' : ` to ${state.batch.bucket}`}</span>
          <Bar value={state.batch.bytes > 0 ? state.sent / state.batch.bytes : 0} label="Upload" state={state.lost ? 'waiting' : 'running'} />
          <Button look="quiet" onClick={uploads.stop}>Stop</Button>
          <small className={house.muted}>{state.lost ? 'weir does not answer. It goes on by itself as soon as it does.' : state.now.slice(0, 3).join(', ')}</small>
        </div>
      )}
      {interrupted && may && (
        <div className={s.interrupted} role="status">
          <span>An upload of {count(interrupted.files, 'file')}, {bytes(interrupted.bytes)}, to this place did not end. Choose the same again: what is there already is not sent again.</span>
          <Button onClick={() => files.current?.click()}>Choose the files</Button>
          <Button onClick={() => folder.current?.click()}>Choose the folder</Button>
          <Button look="quiet" onClick={() => void uploads.forget()}>Forget it</Button>
        </div>
      )}
      {!busy && state.failed.length > 0 && (
        <ul role="alert" className={house.error}>
          {state.failed.slice(0, 5).map((f) => <li key={f.path}>{f.path}: {f.message}</li>)}
          {state.failed.length > 5 && <li>and {count(state.failed.length - 5, 'other')}</li>}
        </ul>
      )}
      {children}
    </div>
  )
}
