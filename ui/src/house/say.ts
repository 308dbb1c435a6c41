// How numbers, times and sizes are said.

/** duration says a span of milliseconds: 48 s, 3 min, 2 h 5 min, 4 d. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${s} s`
  const min = Math.floor(s / 60)
  if (min < 10) return s % 60 === 0 ? `${min} min` : `${min} min ${s % 60} s`
  if (min < 60) return `${min} min`
  const h = Math.floor(min / 60)
  if (h < 24) return min % 60 === 0 ? `${h} h` : `${h} h ${min % 60} min`
  const d = Math.floor(h / 24)
  return d < 10 && h % 24 !== 0 ? `${d} d ${h % 24} h` : `${d} d`
}

/** about says a span that is guessed: about 2 min. */
export function about(ms: number): string {
  const s = ms / 1000
  if (s < 45) return `about ${Math.max(5, Math.ceil(s / 5) * 5)} s`
  if (s < 3600) return `about ${Math.max(1, Math.round(s / 60))} min`
  return `about ${duration(Math.round(ms / 600_000) * 600_000)}`
}

/** bytes says a size in units of a thousand: 1.2 GB. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let i = 0
  for (; n >= 999.5 && i < units.length - 1; i++) n /= 1000
  return `${n >= 100 || i === 0 ? Math.round(n) : n.toFixed(1)} ${units[i]}`
}

/** figure says a measured number with four digits that count: 0.983, 12.4, 1.2e-5. */
export function figure(n: number): string {
  if (!Number.isFinite(n)) return Number.isNaN(n) ? 'not a number' : n > 0 ? '∞' : '−∞'
  if (n !== 0 && (Math.abs(n) < 1e-3 || Math.abs(n) >= 1e6)) return n.toExponential(2)
  return String(Number(n.toPrecision(4)))
}

/** count says how many of something there are: 1 job, 2 jobs. */
export const count = (n: number, one: string, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`

/** quantity reads an amount as Kubernetes writes it: 500m is 0.5, 1Gi is 1073741824. */
export function quantity(text: string | number | undefined): number {
  const found = /^([0-9.eE+-]+?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(String(text ?? '').trim())
  if (!found) return 0
  const scale: Record<string, number> = {
    n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
    Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
  }
  return Number(found[1]) * (found[2] ? (scale[found[2]] ?? 1) : 1)
}

/** moment says a time in full, for titles and copies. */
export const moment = (time: string | number | Date) => new Date(time).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'medium' })
