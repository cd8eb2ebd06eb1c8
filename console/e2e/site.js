// A whole installation to try the console on: a simulated tenant, a home with a backup, a server.
//
//     node e2e/site.js BINARY [PORT]     keeps one running until Ctrl-C and prints the setup link

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const TENANT = ['--users', '6', '--mails-per-user', '30', '--files', '8', '--sites', '1', '--seed', '7']

export class Site {
  #binary
  #environment
  #running = []

  constructor(binary) {
    this.#binary = binary
    this.work = mkdtempSync(join(tmpdir(), 'holdfast-console-'))
    this.#environment = {
      ...process.env,
      HOLDFAST_HOME: join(this.work, 'home'),
      HOLDFAST_INSTANCE_KEY: join(this.work, 'instance.key'),
      TMPDIR: this.work,
    }
  }

  /** Starts the simulated tenant and makes an installation that has backed it up, once `prepare` is done. */
  async make(prepare = async () => {}) {
    this.tenant = await this.#start('sim', 'serve', ...TENANT)
    await prepare()
    this.run('init', '--passphrase-file', this.#secret('passphrase', 'a passphrase for tests\n'))
    this.#connect('contoso')
    this.run('backup')
  }

  /** Starts the server; `origin` is the address that the browser uses. */
  async serve(listen = '127.0.0.1:0', origin = undefined) {
    const more = origin ? ['--origin', origin] : []
    this.server = await this.#start('serve', '--json', '--listen', listen, ...more)
    return this.server
  }

  /** Ends what was started last. */
  async end() {
    const process = this.#running.pop()
    const ended = new Promise((resolve) => process.once('exit', resolve))
    if (process.exitCode === null && process.kill('SIGTERM')) await ended
  }

  /** Runs a command to its end; gives what it printed. */
  run(...args) {
    const done = spawnSync(this.#binary, args, { env: this.#environment, encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`holdfast ${args[0]} failed: ${done.stderr}`)
    return done.stdout
  }

  async stop() {
    while (this.#running.length > 0) await this.end()
    rmSync(this.work, { recursive: true, force: true })
  }

  #connect(name) {
    const { tenant } = this
    this.run(
      'tenant',
      'add',
      name,
      '--tenant-id',
      tenant.tenant_id,
      '--client-id',
      tenant.backup.client_id,
      '--client-secret-file',
      this.#secret('backup.secret', tenant.backup.client_secret),
      '--restore-client-id',
      tenant.restore.client_id,
      '--restore-client-secret-file',
      this.#secret('restore.secret', tenant.restore.client_secret),
      '--graph-url',
      tenant.graph_url,
      '--authority-url',
      tenant.authority_url,
      '--ca-file',
      tenant.ca_file,
    )
  }

  #secret(name, text) {
    const path = join(this.work, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  /** Starts a process; gives the JSON document that it prints first. */
  async #start(...args) {
    const path = join(this.work, `${args[0]}.log`)
    const log = openSync(path, 'w')
    const process = spawn(this.#binary, args, { env: this.#environment, stdio: ['ignore', 'pipe', log] })
    this.#running.push(process)
    let text = ''
    for await (const piece of process.stdout) {
      text += piece
      try {
        return JSON.parse(text)
      } catch {
        // Not all of it is there yet.
      }
    }
    throw new Error(`holdfast ${args[0]} did not start: ${readFileSync(path, 'utf8')}`)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [binary, port = '8443'] = process.argv.slice(2)
  const site = new Site(binary)
  process.once('SIGINT', () => site.stop().then(() => process.exit(0)))
  process.once('SIGTERM', () => site.stop().then(() => process.exit(0)))
  await site.make()
  const server = await site.serve(`127.0.0.1:${port}`, process.env.HOLDFAST_ORIGIN)
  console.log(JSON.stringify(server, null, 2))
}
