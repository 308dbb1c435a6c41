import { Icon } from './Icon'
import s from './house.module.css'

/** A State is how anything here fares. Each has a colour, a picture and a word. */
export type State = 'running' | 'waiting' | 'done' | 'failed' | 'stopped'

export const words: Record<State, string> = { running: 'Running', waiting: 'Waiting', done: 'Done', failed: 'Failed', stopped: 'Stopped' }

/** StateMark shows a state as a picture and a word; the word may be a closer one. */
export function StateMark({ state, word = words[state] }: { state: State; word?: string }) {
  return (
    <span className={s.state} data-state={state}>
      <Icon name={state} size={14} />
      {word}
    </span>
  )
}
