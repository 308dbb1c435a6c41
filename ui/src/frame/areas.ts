import type { IconName } from '../house/Icon'

/** An Area stands in the rail. An area appears there when it exists. */
export interface Area {
  word: string
  to: '/' | '/jobs'
  icon: IconName
  /** The letter that leads there after g. */
  key: string
}

export const areas: readonly Area[] = [
  { word: 'Home', to: '/', icon: 'home', key: 'h' },
  { word: 'Jobs', to: '/jobs', icon: 'jobs', key: 'j' },
]
