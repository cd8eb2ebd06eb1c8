// The secret of a setup link or invitation stands behind `#`. It is taken out of the address bar, and
// with that out of the browser's history, before anything else is done.

let secret: string | undefined

export function takeSecret() {
  const { hash, pathname } = window.location
  if ((pathname !== '/setup' && pathname !== '/invitation') || hash.length < 2) return
  secret = hash.slice(1)
  window.history.replaceState(null, '', pathname)
}

export function linkSecret(): string | undefined {
  return secret
}

export function forgetSecret() {
  secret = undefined
}
