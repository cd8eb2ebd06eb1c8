export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const STORE = 'holdfast.theme'

export function theme(): Theme {
  const stored = localStorage.getItem(STORE)
  return THEMES.find((name) => name === stored) ?? 'system'
}

export function chooseTheme(name: Theme) {
  localStorage.setItem(STORE, name)
  applyTheme()
}

/** Without an attribute the style sheet asks the system. */
export function applyTheme() {
  const name = theme()
  if (name === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = name
}
