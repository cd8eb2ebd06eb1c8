// From the link of the first start to a message that is back, in a real browser.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { launch, openConsole, watch } from './browser.js'
import { Graph } from './graph.js'
import { audit, code } from './helpers.js'
import * as hostile from './hostile.js'
import { Site } from './site.js'

const NAME = 'root'
const PASSWORD = 'violin harbour tundra 7 moss'
// Names that become code where a page takes them for markup.
const FOLDER = '<img src=x onerror="window.hacked=1">'
const SUBJECT = 'Rescue "><script>window.hacked=1</script> me'

const complaints = []
let site
let opened
let browser
let context
let page
let graph
let user
let folder
let totpSecret
let invitation

before(async () => {
  site = new Site(process.env.HOLDFAST_BINARY)
  await site.make(async () => {
    graph = new Graph(site.tenant)
    user = (await graph.get('/users')).value[0]
    folder = await graph.post(`/users/${user.id}/mailFolders`, { displayName: FOLDER })
    await graph.post(`/users/${user.id}/mailFolders/${folder.id}/messages`, {
      subject: SUBJECT,
      body: { contentType: 'text', content: 'Text' },
    })
    await graph.mime(`/users/${user.id}/mailFolders/inbox/messages`, hostile.MESSAGE)
  })
  opened = await openConsole(site)
  browser = await launch()
  context = await browser.newContext({
    ignoreHTTPSErrors: true,
    locale: 'en-GB',
    viewport: { width: 1440, height: 900 },
  })
  page = await context.newPage()
  page.setDefaultTimeout(30_000)
  watch(page, complaints)
})

after(async () => {
  await browser?.close()
  opened?.close()
  await site?.stop()
})

const at = (path) => opened.origin + path
const button = (name) => page.getByRole('button', { name })
const dialog = () => page.getByRole('dialog')

async function messages() {
  return (await graph.get(`/users/${user.id}/mailFolders/${folder.id}/messages`)).value
}

async function signOut() {
  await button(NAME).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.waitForURL('**/sign-in')
}

async function signIn() {
  await page.getByLabel('Name').fill(NAME)
  await page.getByLabel('Password').fill(PASSWORD)
  await button('Sign in').click()
}

test('without a session every page leads to sign-in and says where to go after it', async () => {
  await page.goto(at('/jobs?state=failed'))
  await page.waitForURL(
    (url) => url.pathname === '/sign-in' && url.searchParams.get('to') === '/jobs?state=failed',
  )
})

test('the setup link makes the administrator, and its secret leaves the address at once', async () => {
  const link = new URL(opened.server.setup_link)
  await page.goto(at(link.pathname + link.hash))
  await page.waitForURL((url) => url.pathname === '/setup' && url.hash === '')
  assert.deepEqual(await audit(page), [])
  await page.getByLabel('Name', { exact: true }).fill(NAME)
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await page.getByLabel('Password again').fill(`${PASSWORD}x`)
  await page.getByText('The two passwords differ').waitFor()
  await page.getByLabel('Password again').fill(PASSWORD)
  await button('Create administrator').click()
  await page.getByRole('heading', { name: 'Everything is protected' }).waitFor()
  await page.getByText('All 13 resources have a restore point').waitFor()
})

test('each page stands in both themes', async () => {
  const pages = [
    '/',
    '/resources',
    '/search?q=order',
    '/jobs',
    '/schedules',
    '/vaults',
    '/users',
    '/audit',
    '/system',
    '/account',
  ]
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme })
    for (const path of pages) {
      await page.goto(at(path))
      await page.getByRole('heading', { level: 1 }).waitFor()
      await page.waitForFunction(() => !document.querySelector('[role=status]'))
      assert.deepEqual(await audit(page), [], `${path} in ${theme}`)
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
})

test('names that look like code are text', async () => {
  await page.goto(at('/resources'))
  await page.getByRole('searchbox').fill(user.userPrincipalName)
  await page.waitForURL((url) => url.searchParams.get('name') === user.userPrincipalName)
  await page.getByRole('link', { name: user.displayName }).first().click()
  await page
    .getByRole('navigation', { name: 'Folders' })
    .getByRole('button', { name: FOLDER, exact: true })
    .click()
  await page.getByRole('button', { name: SUBJECT }).click()
  await page.getByRole('complementary').getByRole('heading', { name: SUBJECT }).waitFor()
  await page.getByText('Current').waitFor()
  assert.deepEqual(await audit(page), [])
  assert.equal(await page.evaluate(() => window.hacked), undefined)
  const url = new URL(page.url())
  assert.ok(url.searchParams.get('path') && url.searchParams.get('item'), 'place and item are in the address')
})

test('a download has the bytes of the message', async () => {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('complementary').getByRole('link', { name: 'Download' }).first().click(),
  ])
  let text = ''
  for await (const piece of await download.createReadStream()) text += piece
  assert.match(text, /^Subject: .*Rescue/m)
})

test('hostile mail is shown, and nothing of it runs or loads', async () => {
  const foreign = []
  const note = (request) => {
    if (new URL(request.url()).origin !== new URL(opened.origin).origin) foreign.push(request.url())
  }
  context.on('request', note)
  const here = page.url()
  await page
    .getByRole('navigation', { name: 'Folders' })
    .getByRole('button', { name: 'Inbox', exact: true })
    .click()
  await page.getByRole('button', { name: hostile.SUBJECT }).click()
  const panel = page.getByRole('complementary')
  await panel.getByRole('heading', { name: hostile.SUBJECT }).waitFor()
  await panel.getByText('<script>top.hacked=1</script>').first().waitFor()
  const frame = panel.getByTitle('Body of the message')
  await frame.contentFrame().getByText('Dear customer').click()
  assert.equal(await frame.getAttribute('sandbox'), '')
  await panel.getByText('Header block').click()
  await panel.getByText('Message-ID: <1@evil.example>').waitFor()
  // The list beside it is scrolled: its rows lie partly under its head.
  assert.deepEqual(await audit(page, 'aside'), [])
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('link', { name: 'bill.html' }).click(),
  ])
  assert.equal(download.suggestedFilename(), 'bill.html')
  let text = ''
  for await (const piece of await download.createReadStream()) text += piece
  assert.equal(text.trim(), '<script>window.hacked=1</script>')
  assert.equal(await page.evaluate(() => window.hacked), undefined)
  assert.deepEqual(foreign, [], 'no request leaves')
  context.off('request', note)
  await page.goto(here)
})

test('what is deleted is gone from the newest restore point and still in the one before', async () => {
  const [message] = await messages()
  await graph.post(`/users/${user.id}/messages/${message.id}/permanentDelete`)
  assert.deepEqual(await messages(), [])
  await button('Back up now').click()
  await page.getByText('Queued. You may close this page.').first().waitFor()
  await page.getByText('This folder is empty').waitFor()
  await page.getByText('It is not in this folder at this time').waitFor()
  const before = new URL(page.url())
  await button('One restore point back').click()
  await page.getByRole('cell', { name: SUBJECT, exact: true }).waitFor()
  const now = new URL(page.url())
  assert.ok(now.searchParams.get('at'), 'the time is in the address')
  assert.equal(now.searchParams.get('path'), before.searchParams.get('path'), 'the place stays')
  await page.reload()
  await page.getByRole('cell', { name: SUBJECT, exact: true }).waitFor()
})

test('search finds what was deleted', async () => {
  await page.goto(at('/search'))
  await page.getByRole('searchbox').fill('Rescue')
  await page.getByText('Nothing found').waitFor()
  await page.getByLabel('Only what was deleted').check()
  await page.getByRole('link', { name: SUBJECT }).waitFor()
  assert.deepEqual(await audit(page), [])
})

test('a restore says what would happen, does it, and the message is back', async () => {
  await page.getByRole('cell').getByRole('button', { name: 'Restore…' }).click()
  await dialog().getByLabel('Stays as it is').waitFor()
  assert.ok(await dialog().getByLabel('Stays as it is').isChecked(), 'nothing is replaced by default')
  assert.deepEqual(await audit(page), [])
  await dialog().getByRole('button', { name: 'As CLI' }).click()
  await page.getByText(/^holdfast restore --tenant contoso --resource /).waitFor()
  await page.keyboard.press('Escape')
  await dialog().getByRole('button', { name: 'See what would happen' }).click()
  await dialog().getByText('This would happen').waitFor()
  assert.match(await dialog().locator('dl > div').first().innerText(), /Would be restored\s+1$/)
  assert.deepEqual(await messages(), [], 'a dry run changes nothing')
  await dialog().getByRole('button', { name: 'Restore now' }).click()
  await dialog().getByRole('heading', { name: 'Restored', exact: true }).waitFor()
  assert.match(await dialog().locator('dl > div').first().innerText(), /Restored and compared\s+1$/)
  assert.deepEqual(
    (await messages()).map(({ subject }) => subject),
    [SUBJECT],
  )
  await dialog().getByRole('link', { name: 'Show the job' }).click()
  await page.getByRole('heading', { name: 'Restore · contoso' }).waitFor()
  assert.deepEqual(await audit(page), [])
})

test('two tabs share one stream of events', async () => {
  const streams = []
  context.on('request', (request) => request.url().endsWith('/api/v1/events') && streams.push(request))
  await page.goto(at('/jobs'))
  await page.getByRole('table').waitFor()
  const other = await context.newPage()
  watch(other, complaints)
  await other.goto(at('/jobs'))
  await other.getByRole('table').waitFor()
  const rows = await other.getByRole('row').count()
  await page.request.post(at('/api/v1/discoveries'), {
    data: { tenant: 'contoso' },
    headers: { 'X-Holdfast-Csrf': (await (await page.request.get(at('/api/v1/session'))).json()).csrf },
  })
  await other.waitForFunction((known) => document.querySelectorAll('tr').length > known, rows)
  assert.equal(streams.length, 1)
  await other.close()
})

test('the record is verified', async () => {
  await page.goto(at('/audit'))
  await button('Verify').click()
  await page.getByText(/The record is whole: \d+ entries/).waitFor()
})

test('a fresh proof is asked for, and what needed it is done after it', async () => {
  let refused = 0
  // Five minutes have not passed: the first answer is put in the server's place.
  await page.route('**/api/v1/users', async (route) => {
    if (route.request().method() !== 'POST' || refused > 0) return route.continue()
    refused += 1
    const body = { error: { code: 'step_up', message: 'a fresh proof is needed' } }
    return route.fulfill({ status: 403, contentType: 'application/json', body: JSON.stringify(body) })
  })
  await page.goto(at('/users'))
  await button('Invite user').click()
  await dialog().getByLabel('Name', { exact: true }).fill('olga')
  await dialog().getByRole('button', { name: 'Make invitation' }).click()
  const proof = page.getByRole('dialog', { name: 'Prove that it is you' })
  await proof.getByLabel('Password').fill(PASSWORD)
  await proof.getByRole('button', { name: 'Continue' }).click()
  const link = page.getByRole('dialog', { name: 'Link for olga' }).getByText(/\/invitation#[0-9a-f]+/)
  invitation = new URL((await link.innerText()).trim())
  assert.equal(refused, 1)
  await page.unroute('**/api/v1/users')
})

test('who is invited sets a password and comes in, with the rights of the role', async () => {
  const own = await browser.newContext({ ignoreHTTPSErrors: true, locale: 'en-GB' })
  const hers = await own.newPage()
  watch(hers, complaints)
  await hers.goto(at(invitation.pathname + invitation.hash))
  await hers.waitForURL((url) => url.pathname === '/invitation' && url.hash === '')
  assert.deepEqual(await audit(hers), [])
  await hers.getByLabel('Password', { exact: true }).fill(`${PASSWORD} olga`)
  await hers.getByLabel('Password again').fill(`${PASSWORD} olga`)
  await hers.getByRole('button', { name: 'Set password' }).click()
  await hers.getByText('Your password is set').first().waitFor()
  await hers.getByLabel('Name').fill('olga')
  await hers.getByLabel('Password').fill(`${PASSWORD} olga`)
  await hers.getByRole('button', { name: 'Sign in' }).click()
  await hers.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
  assert.equal(await hers.getByRole('link', { name: 'Users' }).count(), 0, 'an operator manages no users')
  await own.close()
})

test('a token is made, works, and is shown once', async () => {
  await page.goto(at('/account'))
  await button('Make token').click()
  await dialog().getByLabel('What it is for').fill('monitoring')
  await dialog().getByLabel('see resources').check()
  await dialog().getByRole('button', { name: 'Make token' }).click()
  const made = page.getByRole('dialog', { name: 'Your token' })
  assert.deepEqual(await audit(page), [])
  const token = (await made.locator('pre').innerText()).trim()
  const other = await browser.newContext({
    ignoreHTTPSErrors: true,
    extraHTTPHeaders: { Authorization: `Bearer ${token}` },
  })
  const answer = await other.request.get(at('/api/v1/resources'))
  assert.equal(answer.status(), 200)
  assert.equal((await answer.json()).entries.length, 13)
  await other.close()
  await page.goto(at('/account'))
  await page.getByRole('cell', { name: 'monitoring' }).waitFor()
  assert.ok(!(await page.content()).includes(token))
})

test('a prune says what would go, forgets it, and the job tells', async () => {
  await page.goto(at('/vaults'))
  await button('Maintain default').click()
  await page.getByRole('menuitem', { name: 'Prune…' }).click()
  await dialog().getByLabel('Keep the newest').fill('0')
  assert.ok(await dialog().getByRole('button', { name: 'See what would go' }).isDisabled())
  await dialog().getByLabel('Keep the newest').fill('1')
  await dialog().getByRole('button', { name: 'See what would go' }).click()
  await dialog().getByText('Would be forgotten').waitFor()
  assert.deepEqual(await audit(page), [])
  const before = (await (await page.request.get(at('/api/v1/snapshots'))).json()).entries.length
  assert.ok(before > 1)
  await dialog()
    .getByRole('button', { name: new RegExp(`^Forget ${before - 1} snapshot`) })
    .click()
  await page.getByRole('heading', { name: 'Prune · default' }).waitFor()
  await page.getByText('Complete', { exact: true }).waitFor()
  assert.deepEqual(await audit(page), [])
  assert.equal((await (await page.request.get(at('/api/v1/snapshots'))).json()).entries.length, 1)
})

test('a recovery kit is taken and proven, and another one is told apart', async () => {
  await page.goto(at('/vaults'))
  await button('Maintain default').click()
  await page.getByRole('menuitem', { name: 'Take recovery kit…' }).click()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    dialog().getByRole('button', { name: 'Download kit' }).click(),
  ])
  assert.equal(download.suggestedFilename(), 'holdfast-recovery-kit-default.zip')
  await page.keyboard.press('Escape')
  const secret = spawnSync('python3', ['-m', 'zipfile', '-e', await download.path(), join(site.work, 'kit')])
  assert.equal(secret.status, 0, String(secret.stderr))
  await button('Maintain default').click()
  await page.getByRole('menuitem', { name: 'Prove a recovery kit…' }).click()
  const file = dialog().getByLabel('vault-secret.hex')
  await file.setInputFiles(join(site.work, 'kit', 'vault-secret.hex'))
  await dialog().getByText('This kit opens this vault.').waitFor()
  const other = (text) => ({ name: 'x.hex', mimeType: 'text/plain', buffer: Buffer.from(text) })
  await file.setInputFiles(other('ab'.repeat(32)))
  await dialog().getByText('This kit does not open this vault.').waitFor()
  await file.setInputFiles(other('no secret'))
  await dialog().getByText('This is no vault-secret.hex').waitFor()
  await page.keyboard.press('Escape')
})

test('a folder is taken out as a ZIP', async () => {
  await page.goto(at('/resources'))
  await page.getByRole('searchbox').fill(user.userPrincipalName)
  await page.waitForURL((url) => url.searchParams.get('name') === user.userPrincipalName)
  await page.getByRole('link', { name: user.displayName }).first().click()
  await page
    .getByRole('navigation', { name: 'Folders' })
    .getByRole('button', { name: 'Inbox', exact: true })
    .click()
  await page.waitForURL((url) => url.searchParams.get('path') === 'Inbox')
  await button('Download as ZIP').click()
  await page.getByText(/^holdfast export .* --path Inbox --format zip/).waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download ZIP' }).click(),
  ])
  const listed = spawnSync('python3', ['-m', 'zipfile', '-l', await download.path()], { encoding: 'utf8' })
  assert.match(listed.stdout, /holdfast-export\.json/)
  assert.match(listed.stdout, /Invoice/)
})

test('a time-based code is set up and then needed', async () => {
  await page.goto(at('/account'))
  await button('Set up…').click()
  await button('Show the code to scan').click()
  await page.getByRole('img', { name: 'QR code for your authenticator app' }).waitFor()
  assert.deepEqual(await audit(page), [])
  totpSecret = (await dialog().locator('pre').innerText()).trim()
  await dialog().getByLabel('Code that the app shows').fill(code(totpSecret, 0))
  await dialog().getByRole('button', { name: 'Confirm' }).click()
  await page.getByRole('dialog', { name: 'Your recovery codes' }).waitFor()
  assert.equal(await dialog().getByRole('listitem').count(), 10)
  const recovery = await dialog().getByRole('listitem').first().innerText()
  await button('I have kept them').click()
  await signOut()
  await signIn()
  await page.getByText('One more proof').waitFor()
  await page.getByLabel('Code from your app').fill(code(totpSecret, 1))
  await button('Continue').click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
  await signOut()
  await signIn()
  await button('Use a recovery code').click()
  await page.getByLabel('Recovery code').fill(recovery)
  await button('Continue').click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})

test('a passkey is made and signs in', async () => {
  const devtools = await context.newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  }
  await devtools.send('WebAuthn.addVirtualAuthenticator', { options })
  await page.goto(at('/account'))
  await button('Add…').click()
  await dialog().getByLabel('What you call it').fill('work laptop')
  await dialog().getByRole('button', { name: 'Make passkey' }).click()
  await page.getByText('work laptop').waitFor()
  await signOut()
  await signIn()
  await button('Use passkey').click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
})

test('the keyboard leads everywhere', async () => {
  await page.keyboard.press('?')
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+k')
  await page.keyboard.type('vault')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'Vaults' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('j')
  await page.getByRole('heading', { level: 1, name: 'Jobs' }).waitFor()
})

test('German is German, also after a reload, and the theme that is chosen stays', async () => {
  await button(NAME).click()
  await page.getByRole('menuitemradio', { name: 'Deutsch' }).click()
  await page.getByRole('menuitemradio', { name: 'Dunkel' }).click()
  await page.reload()
  await page.getByRole('heading', { level: 1, name: 'Aufträge' }).waitFor()
  assert.equal(await page.locator('html').getAttribute('lang'), 'de')
  assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark')
})

test('no page scrolls sideways where there is little room', async () => {
  await page.setViewportSize({ width: 320, height: 640 })
  for (const path of [
    '/',
    '/resources',
    '/jobs',
    '/users',
    '/account',
    '/system',
    '/vaults',
    '/schedules',
    '/audit',
    '/search?q=order',
  ]) {
    await page.goto(at(path))
    await page.getByRole('heading', { level: 1 }).waitFor()
    const wide = await page.evaluate(() => {
      const main = document.getElementById('main')
      return main.scrollWidth - main.clientWidth + document.body.scrollWidth - window.innerWidth
    })
    assert.ok(wide <= 0, `${path} is ${wide} px too wide`)
  }
})

test('the browser had nothing to complain of', () => {
  assert.deepEqual(complaints, [])
})
