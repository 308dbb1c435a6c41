import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { figure } from '../house/say'
import { across, identityOf, smooth, type Axis, type Line } from './series'
import s from './curves.module.css'

/** Chart draws lines of one name. Dragging zooms in, a double click shows all. */
export function Chart({ name, lines, identities, axis, log, smoothing, height }: {
  name: string
  lines: readonly Line[]
  identities: readonly string[]
  axis: Axis
  log: boolean
  smoothing: number
  height: number
}) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)

  // The plot is made anew when what it is changes, and given data when only these do.
  const shape = JSON.stringify([lines.map((l) => identityOf(l)), axis, log, smoothing > 0, height])
  const data = tableOf(lines, axis, smoothing)
  const latest = useRef({ data, lines, identities })
  useEffect(() => {
    latest.current = { data, lines, identities }
    plot.current?.setData(data)
  })

  useEffect(() => {
    const box = place.current
    if (!box) return
    const draw = () => {
      plot.current?.destroy()
      const { lines, identities, data } = latest.current
      plot.current = new uPlot(optionsOf(box, lines, identities, axis, log, smoothing > 0, height), data, box)
    }
    draw()
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height }))
    sized.observe(box)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', draw)
    window.addEventListener('weir:theme', draw)
    return () => {
      sized.disconnect()
      dark.removeEventListener('change', draw)
      window.removeEventListener('weir:theme', draw)
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [shape, axis, log, smoothing, height])

  const last = lines.map((l) => `${identityOf(l)} ${figure(l.points.at(-1)?.value ?? NaN)}`).join(', ')
  return (
    <figure className={s.chart}>
      <figcaption>
        <strong>{name}</strong>
        <span className={s.legend}>
          {lines.slice(0, 10).map((l) => (
            <span key={identityOf(l)}>
              <i data-series={identities.indexOf(identityOf(l)) % 8} />
              {identityOf(l)} <b>{figure(l.points.at(-1)?.value ?? NaN)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${name} over ${axis}. Last: ${last}`} style={{ height }} />
    </figure>
  )
}

function tableOf(lines: readonly Line[], axis: Axis, smoothing: number): uPlot.AlignedData {
  const tables = lines.map((l) => {
    const { x, y } = across(l, axis)
    return (smoothing > 0 ? [x, y, smooth(y, smoothing)] : [x, y]) as uPlot.AlignedData
  })
  return tables.length === 0 ? [[]] : tables.length === 1 && tables[0] ? tables[0] : uPlot.join(tables)
}

function optionsOf(box: HTMLElement, lines: readonly Line[], identities: readonly string[], axis: Axis, log: boolean, smoothed: boolean, height: number): uPlot.Options {
  const [muted, line] = [colourOf(box, 'muted'), colourOf(box, 'line')]
  const axisLook = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '12px system-ui, sans-serif' }
  const few = lines.every((l) => l.points.length < 40)
  const series = lines.flatMap((l): uPlot.Series[] => {
    const stroke = colourOf(box, `series-${identities.indexOf(identityOf(l)) % 8}`)
    const own = { label: identityOf(l), stroke, width: 1.75, spanGaps: true, points: { show: few, size: 5, fill: stroke } }
    return smoothed ? [{ ...own, alpha: 0.3, width: 1, points: { show: false } }, { ...own, points: { show: false } }] : [own]
  })
  return {
    width: box.clientWidth,
    height,
    legend: { show: false },
    cursor: { sync: { key: 'weir', setSeries: false }, drag: { x: true, y: false }, points: { size: 7 } },
    scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
    axes: [
      { ...axisLook, size: 32, values: (_, ticks) => ticks.map((t) => (axis === 'time' ? `${figure(t)} s` : figure(t))) },
      { ...axisLook, size: 58, values: (_, ticks) => ticks.map((t) => (t === null ? '' : figure(t))) },
    ],
    series: [{}, ...series],
    hooks: { setCursor: [(u) => showValues(u)] },
  }
}

// The values under the cross-hair stand in a corner, where they cover no curve's end.
function showValues(u: uPlot) {
  let box = u.over.querySelector<HTMLElement>('[data-values]')
  if (!box) {
    box = u.over.appendChild(document.createElement('div'))
    box.dataset['values'] = ''
  }
  const i = u.cursor.idx
  if (i === null || i === undefined) {
    box.textContent = ''
    return
  }
  const seen = new Map<string, string>()
  u.series.forEach((series, k) => {
    const value = u.data[k]?.[i]
    if (k > 0 && typeof value === 'number') seen.set(String(series.label), figure(value))
  })
  box.textContent = `${figure(u.data[0][i] ?? NaN)}:  ${[...seen].map(([label, value]) => `${label} ${value}`).join('   ')}`
}

/** colourOf is what a token is now, for a canvas, which knows none. */
function colourOf(within: HTMLElement, token: string): string {
  const probe = within.appendChild(document.createElement('span'))
  probe.style.color = `var(--${token})`
  const colour = getComputedStyle(probe).color
  probe.remove()
  return colour
}
