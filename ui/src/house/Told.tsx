import { Notice } from './Notice'
import s from './house.module.css'

/** Told is a Notice of why something does not move: the sentence, what to do, and what it rests on. */
export function Told({ failed, explanation }: { failed: boolean; explanation: { sentence: string; remedy?: string; facts?: string[] } }) {
  const { sentence, remedy, facts = [] } = explanation
  const look = failed ? 'failed' : 'waiting'
  return (
    <Notice tone={look} icon={look} title={sentence}>
      {remedy && <p>{remedy}</p>}
      {facts.length > 0 && <pre className={s.said}>{facts.join('\n')}</pre>}
    </Notice>
  )
}
