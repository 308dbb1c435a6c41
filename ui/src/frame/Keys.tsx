import { Dialog } from '@base-ui/react/dialog'
import { Button } from '../house/Button'
import house from '../house/house.module.css'
import { areas } from './areas'
import s from './frame.module.css'

/** Keys lists what the keyboard does. */
export function Keys({ open, onClose }: { open: boolean; onClose: () => void }) {
  const keys: [string, string][] = [
    ['⌘ K or Ctrl K', 'find anything'],
    ['/', 'search in this page'],
    ...areas.map((a): [string, string] => [`g ${a.key}`, a.word]),
    ['↓ ↑ or j k', 'move in a table'],
    ['Enter', 'open the row'],
    ['Space', 'select the row'],
    ['?', 'this list'],
  ]
  return (
    <Dialog.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={house.backdrop} />
        <Dialog.Popup className={house.dialog}>
          <Dialog.Title render={<h2 />}>Keys</Dialog.Title>
          <dl className={s.keys}>
            {keys.map(([key, what]) => (
              <div key={key}>
                <dt><kbd>{key}</kbd></dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
          <div className={house.dialogEnd}><Button onClick={onClose}>Close</Button></div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
