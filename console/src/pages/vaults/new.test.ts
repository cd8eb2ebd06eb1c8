import { expect, test } from 'vitest'
import { blank, bodyOf } from './new'

const FORM = {
  ...blank,
  name: ' x ',
  credentials: 'A=1',
  lock_mode: 'compliance',
  secret: 's',
  passphrase: 'p',
}
const sent = (form: typeof blank) => JSON.parse(JSON.stringify(bodyOf(form)))

test('a folder takes neither credentials nor locks', () => {
  const wanted = { name: 'x', location: '/srv/vault', append_only: false, passphrase: 'p' }
  expect(sent({ ...FORM, location: '/srv/vault' })).toEqual(wanted)
})

test('an object store takes what was typed, and only what opens it', () => {
  expect(sent({ ...FORM, location: 's3://b/p', opens: 'kit' })).toEqual({
    name: 'x',
    location: 's3://b/p',
    append_only: false,
    credentials: 'A=1',
    lock_mode: 'compliance',
    lock_days: 30,
    secret: 's',
  })
})
