import { Chart } from './Chart'
import { identityOf, namesOf, type Axis, type Line } from './series'
import s from './curves.module.css'

/** ChartGrid draws a chart for each name, the most telling ones first. */
export function ChartGrid({ lines, most = 100, axis, log, smoothing, identities }: {
  lines: readonly Line[]
  most?: number
  axis: Axis
  log: boolean
  smoothing: number
  /** Who comes first in the row of colours: those who have them elsewhere on the page. */
  identities?: readonly string[]
}) {
  const who = [...new Set([...(identities ?? []), ...lines.map(identityOf)])]
  return (
    <div className={s.grid}>
      {namesOf(lines).slice(0, most).map((name) => (
        <Chart key={name} name={name} lines={lines.filter((l) => l.name === name)} identities={who} axis={axis} log={log} smoothing={smoothing} height={220} />
      ))}
    </div>
  )
}
