import type { Axis } from './series'

/** A CurvesView is how curves are looked at. It stands in the address. */
export interface CurvesView {
  axis?: Axis
  log?: boolean
  smooth?: number
  /** Jobs to compare with, as namespace/plural/name. */
  with?: string[]
  /** Replicas that are shown, if not all are. */
  of?: string[]
}

const axes: readonly string[] = ['step', 'epoch', 'time']
const wordsOf = (value: unknown) => (Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : [])

export function curvesViewOf(search: Record<string, unknown>): CurvesView {
  const smooth = Number(search['smooth'])
  return {
    ...(axes.includes(String(search['axis'])) && { axis: search['axis'] as Axis }),
    ...(search['log'] === true && { log: true }),
    ...(smooth > 0 && smooth < 1 && { smooth }),
    ...(wordsOf(search['with']).length > 0 && { with: wordsOf(search['with']) }),
    ...(wordsOf(search['of']).length > 0 && { of: wordsOf(search['of']) }),
  }
}
