import { AlertDialog } from '@base-ui/react/alert-dialog'
import { useMutation } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { problemOf } from '../live/client'
import { Button } from './Button'
import { Command } from './Command'
import s from './house.module.css'

export interface Question {
  title: string
  /** What is lost, and whether it can be had back. */
  text: ReactNode
  verb: string
  command?: string
  act: () => Promise<unknown>
}

/** Confirm asks once before something is destroyed, and says what. */
export function Confirm({ question, onClose, onDone }: { question: Question | undefined; onClose: () => void; onDone?: () => void }) {
  const act = useMutation({
    mutationFn: async () => question?.act(),
    onSuccess: () => {
      onClose()
      onDone?.()
    },
  })
  const close = () => {
    act.reset()
    onClose()
  }
  return (
    <AlertDialog.Root open={question !== undefined} onOpenChange={(open) => !open && close()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={s.backdrop} />
        <AlertDialog.Popup className={s.dialog}>
          <AlertDialog.Title render={<h2 />}>{question?.title}</AlertDialog.Title>
          <AlertDialog.Description render={<div />} className={s.muted}>{question?.text}</AlertDialog.Description>
          {act.error && <p role="alert" className={s.error}>{problemOf(act.error).message}</p>}
          {question?.command && <Command text={question.command} />}
          <div className={s.dialogEnd}>
            <Button onClick={close}>Keep</Button>
            <Button look="danger" disabled={act.isPending} onClick={() => act.mutate()}>{question?.verb}</Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
