// What is typed about a new vault, and what is sent of it: nothing that the form does not show.

export const blank = {
  name: '',
  location: '',
  opens: 'passphrase',
  passphrase: '',
  secret: '',
  credentials: '',
  maintenance_credentials: '',
  lock_mode: '',
  lock_days: '30',
  append_only: false,
}

export function isStore(location: string): boolean {
  return /^(s3|azblob):/.test(location.trim())
}

export function bodyOf(form: typeof blank) {
  const store = isStore(form.location)
  const given = (value: string) => (store && value.trim() !== '' ? value : undefined)
  const lock_mode = given(form.lock_mode)
  return {
    name: form.name.trim(),
    location: form.location.trim(),
    append_only: form.append_only,
    credentials: given(form.credentials),
    maintenance_credentials: given(form.maintenance_credentials),
    lock_mode,
    lock_days: lock_mode === undefined ? undefined : Number(form.lock_days),
    ...(form.opens === 'passphrase' ? { passphrase: form.passphrase } : { secret: form.secret.trim() }),
  }
}
