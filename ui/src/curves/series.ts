/** A Point is a number that a replica said. */
export interface Point {
  step: number
  epoch: number
  time: number
  value: number
}

/** A Line is one number of one replica over its course. */
export interface Line {
  /** loss */
  name: string
  replica: string
  /** The job, where several are compared. */
  job?: string
  points: readonly Point[]
}

export interface Answer {
  replicas: { name: string; series: { name: string; points: { step?: number; epoch?: number; time: string; value: number | string }[] }[] }[]
}

/** linesOf reads what weir knows of a job's course. */
export function linesOf(answer: Answer): Line[] {
  return answer.replicas.flatMap((r) =>
    r.series.map((s) => ({
      name: s.name,
      replica: r.name,
      points: s.points.map((p) => ({ step: p.step ?? 0, epoch: p.epoch ?? 0, time: Date.parse(p.time), value: Number(p.value) })),
    })),
  )
}

/** An Axis is what curves are drawn over. */
export type Axis = 'step' | 'epoch' | 'time'

/** across is a line's points along an axis, in its order, each place once: the last value of it counts. Time is in seconds since the line's start. */
export function across(line: Line, axis: Axis): { x: number[]; y: (number | null)[] } {
  const start = line.points[0]?.time ?? 0
  const at = new Map<number, number>()
  line.points.forEach((p, i) => {
    const x = axis === 'time' ? (p.time - start) / 1000 : axis === 'epoch' ? p.epoch || i + 1 : p.step || i + 1
    at.set(x, p.value)
  })
  const sorted = [...at].sort(([a], [b]) => a - b)
  return { x: sorted.map(([x]) => x), y: sorted.map(([, y]) => (Number.isFinite(y) ? y : null)) }
}

/**
 * smooth is a line without its trembling: an exponential mean, where weight, from
 * 0 to 1, is how much of the past is kept. Early values count fully, so that it
 * does not start at zero.
 */
export function smooth(y: readonly (number | null)[], weight: number): (number | null)[] {
  let mean = 0
  let sum = 0
  return y.map((v) => {
    if (v === null) return null
    mean = mean * weight + v * (1 - weight)
    sum = sum * weight + (1 - weight)
    return mean / sum
  })
}

/** namesOf are the names of all lines: losses first, then accuracies, then the others. */
export function namesOf(lines: readonly Line[]): string[] {
  const rank = (name: string) => (/^(train_?)?loss$/i.test(name) ? 0 : /loss/i.test(name) ? 1 : /acc/i.test(name) ? 2 : 3)
  return [...new Set(lines.map((l) => l.name))].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
}

/** identities are what lines are told apart by: the jobs where there are several, or the replicas. */
export const identityOf = (line: Line) => line.job ?? line.replica

/** namesApart are names by which jobs are told apart: their own, and where two have the same, their places. */
export const namesApart = (jobs: readonly { name: string; namespace: string; kind: { plural: string } }[]): string[] =>
  jobs.map((j) => (jobs.filter((o) => o.name === j.name).length > 1 ? `${j.namespace}/${j.kind.plural}/${j.name}` : j.name))

/** toCSV writes lines as a table that a spreadsheet reads. */
export function toCSV(lines: readonly Line[]): string {
  const cell = (text: string | number) => (/[",\n]/.test(String(text)) ? `"${String(text).replaceAll('"', '""')}"` : String(text))
  const rows = lines.flatMap((l) =>
    l.points.map((p) => [l.job ?? '', l.replica, l.name, p.step, p.epoch, new Date(p.time).toISOString(), p.value].map(cell).join(',')),
  )
  return ['job,replica,name,step,epoch,time,value', ...rows].join('\n') + '\n'
}
