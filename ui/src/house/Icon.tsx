// The few pictures that the pages use, drawn on a grid of 16.
const shapes = {
  home: 'M2.5 7.5 8 3l5.5 4.500V13a.5.5 0 0 1-.5.5H10V10H6v3.500H3a.5.5 0 0 1-.5-.5z',
  jobs: 'M2.5 4.500h11M2.5 8h7M2.5 11.500h9',
  pods: 'M8 2 13.5 5v6L8 14l-5.5-3V5zM2.5 5 8 8l5.5-3M8 8v6',
  storage: 'M3 4c0-2 10-2 10 0v8c0 2-10 2-10 0zM3 4c0 2 10 2 10 0M3 8c0 2 10 2 10 0',
  images: 'M2.5 5.500 8 3l5.5 2.500L8 8zM2.5 8 8 10.500 13.5 8M2.5 10.500 8 13l5.500-2.500',
  machine: 'M2.5 3.500h11v6h-11zM5.5 13h5M8 9.500V13',
  settings: 'M2 5h7M12 5h2M2 11h2M7 11h7M10.5 3.200v3.600M5.5 9.200v3.6',
  search: 'M7 2.500a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.5 10.500l3.5 3.5',
  running: 'M5 3.500v9l7-4.500z',
  waiting: 'M8 2.500a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.500l2 1.5',
  done: 'm3 8.5 3.5 3.500L13 5',
  failed: 'm4 4 8 8M12 4l-8 8',
  stopped: 'M4.5 4.500h7v7h-7z',
  more: 'M3 8h.01M8 8h.01M13 8h.01',
  down: 'm4 6 4 4 4-4',
  up: 'm4 10 4-4 4 4',
  right: 'm6 4 4 4-4 4',
  copy: 'M5.5 5.500h8v8h-8zM3.5 10.500h-1v-8h8v1',
  download: 'M8 2.500v7M5 7l3 3 3-3M2.5 13h11',
  plus: 'M8 3v10M3 8h10',
  menu: 'M2.5 4h11M2.5 8h11M2.5 12h11',
  user: 'M8 2.500a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5M3 13.500c0-5 10-5 10 0',
  alert: 'M8 2.5 14 13H2zM8 6.500v3M8 11.200h.01',
} as const

export type IconName = keyof typeof shapes

/** An Icon is decoration: a word stands beside it, or a label on the button around it. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 2.2 : 1.5}
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      <path d={shapes[name]} />
    </svg>
  )
}
