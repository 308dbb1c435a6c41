import type { IconName } from '../house/Icon'

/** An Area stands in the rail. An area appears there when it exists. */
export interface Area {
  word: string
  to: '/' | '/jobs' | '/pods' | '/storage' | '/images' | '/machine' | '/settings'
  icon: IconName
  /** The letter that leads there after g. */
  key: string
}

export const areas: readonly Area[] = [
  { word: 'Home', to: '/', icon: 'home', key: 'h' },
  { word: 'Jobs', to: '/jobs', icon: 'jobs', key: 'j' },
  { word: 'Pods', to: '/pods', icon: 'pods', key: 'p' },
  { word: 'Storage', to: '/storage', icon: 'storage', key: 'b' },
  { word: 'Images', to: '/images', icon: 'images', key: 'i' },
  { word: 'Machine', to: '/machine', icon: 'machine', key: 'm' },
  { word: 'Settings', to: '/settings', icon: 'settings', key: 's' },
]
