export type Theme = 'system' | 'light' | 'dark'

const key = 'weir.theme'

/** theme is what this browser is set to. */
export function theme(): Theme {
  const kept = localStorage.getItem(key)
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

/** setTheme shows the pages so, and keeps it. */
export function setTheme(to: Theme) {
  localStorage.setItem(key, to)
  applyTheme()
  window.dispatchEvent(new Event('weir:theme'))
}

export function applyTheme() {
  const now = theme()
  if (now === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = now
}
