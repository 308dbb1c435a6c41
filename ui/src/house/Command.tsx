import { Copy } from './Copy'
import s from './house.module.css'

/** A Command is the line that does or shows the same on a terminal. */
export function Command({ text }: { text: string }) {
  return (
    <div className={s.command}>
      <code tabIndex={0} aria-label="The same on a terminal">
        <span aria-hidden="true">$ </span>
        {text}
      </code>
      <Copy text={text} />
    </div>
  )
}
