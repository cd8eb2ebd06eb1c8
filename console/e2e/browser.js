// A browser before a whole installation, with the console that the server has in it; where it has none
// (a server that was built without), the built pages are served before it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

/** Whether an address answers with a page. */
function isPage(url) {
  return new Promise((resolve) => {
    const asked = request(url, { rejectUnauthorized: false }, (answer) => {
      answer.resume()
      resolve((answer.headers['content-type'] ?? '').startsWith('text/html') && answer.statusCode === 200)
    })
    asked.on('error', () => resolve(false))
    asked.end()
  })
}

async function preview(server, port) {
  const process_ = spawn('npx', ['vite', 'preview'], {
    cwd: dirname(import.meta.dirname),
    env: {
      ...process.env,
      PORT: String(port),
      HOLDFAST_SERVER: `https://${server.address}`,
      HOLDFAST_SERVER_TLS: dirname(server.certificate),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  for await (const piece of process_.stdout) if (String(piece).includes('Local:')) break
  return () => process.kill(-process_.pid)
}

/** Starts the server, and says where the console is. */
export async function openConsole(site) {
  const port = await freePort()
  const origin = `https://localhost:${port}`
  let server = await site.serve(`127.0.0.1:${port}`, origin)
  if (await isPage(origin)) return { server, origin, close: () => {} }
  await site.end()
  server = await site.serve('127.0.0.1:0', origin)
  return { server, origin, close: await preview(server, port) }
}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS })
}

/** What a browser complains of and must not. A refused request is the page's to show. */
export function watch(page, complaints) {
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    const refused = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !refused) complaints.push(message.text())
  })
}
