/** A Point is what was used in the minute before a moment. */
export interface Point {
  at: string
  cores: number
  memory: number
}

const hour = 3_600_000
const gap = 150_000

/** spanOf is how long points tell of, in milliseconds. */
export const spanOf = (points: readonly Point[]) => (points.length === 0 ? 0 : Date.parse(points.at(-1)?.at ?? '') - Date.parse(points[0]?.at ?? ''))

/** pathOf draws points over the hour that ends with the last, from 0 to most. Where some are missing, so is the line. */
export function pathOf(points: readonly Point[], of: (p: Point) => number, most: number, width: number, height: number): string {
  const end = Date.parse(points.at(-1)?.at ?? '')
  let before = -Infinity
  return points.map((p) => {
    const at = Date.parse(p.at)
    const pen = at - before > gap ? 'M' : 'L'
    before = at
    const x = width * (1 - (end - at) / hour)
    const y = height * (1 - Math.min(1, of(p) / most))
    return `${pen}${x.toFixed(1)} ${y.toFixed(1)}`
  }).join('')
}
