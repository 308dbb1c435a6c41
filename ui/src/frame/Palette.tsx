import { Dialog } from '@base-ui/react/dialog'
import { useNavigate } from '@tanstack/react-router'
import { useId, useState, type KeyboardEvent } from 'react'
import house from '../house/house.module.css'
import { useFindable, type Findable } from './findable'
import { rank } from './rank'
import s from './frame.module.css'

/** Palette finds any page, action and object by a few letters of its name. */
export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={house.backdrop} />
        <Dialog.Popup className={s.palette} aria-label="Find anything">
          <Finder onClose={onClose} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function Finder({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const id = useId()
  const navigate = useNavigate()
  const all = useFindable()
  const found = rank(all, text, (f) => `${f.word} ${f.more ?? ''}`).slice(0, 50)
  const open = (f: Findable | undefined) => {
    if (!f) return
    onClose()
    void navigate(f.to)
  }
  const onKeyDown = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (step) {
      const next = (at + step + found.length) % Math.max(1, found.length)
      setAt(next)
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: 'nearest' })
    } else if (e.key === 'Enter') open(found[at])
    else return
    e.preventDefault()
  }
  return (
    <>
      <input autoFocus role="combobox" aria-expanded aria-controls={`${id}-list`} aria-activedescendant={found[at] && `${id}-${at}`} aria-label="Find anything"
        placeholder="Find a page, a job, a pod" value={text} onChange={(e) => { setText(e.target.value); setAt(0) }} onKeyDown={onKeyDown} />
      <ul role="listbox" id={`${id}-list`} aria-label="Found">
        {found.map((f, i) => (
          <li key={f.id} id={`${id}-${i}`} role="option" aria-selected={i === at} onMouseMove={() => setAt(i)} onClick={() => open(f)}>
            <span>{f.word}</span>
            <span className={house.muted}>{f.more}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className={s.nothing} role="status">Nothing is called “{text}”.</p>}
    </>
  )
}
