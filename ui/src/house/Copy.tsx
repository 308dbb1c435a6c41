import { useState } from 'react'
import { Button } from './Button'

/** Copy puts a text on the clipboard and says so. */
export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [said, say] = useState('')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      say('Copied')
    } catch {
      say('Not allowed by the browser')
    }
    setTimeout(() => say(''), 2000)
  }
  return (
    <Button look="quiet" icon={said === 'Copied' ? 'done' : 'copy'} onClick={() => void copy()}>
      <span aria-live="polite">{said || label}</span>
    </Button>
  )
}
