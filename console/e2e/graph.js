// The simulated tenant as its own people see it: what they delete, and what they find again.

import { readFileSync } from 'node:fs'
import { request } from 'node:https'

export class Graph {
  #tenant
  #token

  constructor(tenant) {
    this.#tenant = tenant
  }

  async get(path) {
    return (await this.#call('GET', path)).body
  }

  async post(path, body) {
    return (await this.#call('POST', path, body)).body
  }

  /** Puts a message as it stands (MIME) into a folder. */
  async mime(path, message) {
    return (await this.#call('POST', path, Buffer.from(message).toString('base64'), 'text/plain')).body
  }

  async #call(method, path, body, type = 'application/json') {
    this.#token ??= await this.#signIn()
    const headers = { Authorization: `Bearer ${this.#token}`, 'Content-Type': type }
    const answer = await this.#send(
      `${this.#tenant.graph_url}/v1.0${path}`,
      method,
      headers,
      typeof body === 'object' ? JSON.stringify(body) : body,
    )
    if (answer.status >= 400)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }

  async #signIn() {
    const { authority_url, tenant_id, client_id, client_secret } = this.#tenant
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id,
      client_secret,
      scope: 'https://graph.microsoft.com/.default',
    })
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const { body } = await this.#send(
      `${authority_url}/${tenant_id}/oauth2/v2.0/token`,
      'POST',
      headers,
      String(form),
    )
    return body.access_token
  }

  #send(url, method, headers, body) {
    const ca = readFileSync(this.#tenant.ca_file)
    return new Promise((resolve, reject) => {
      const asked = request(url, { method, headers, ca }, async (answer) => {
        let text = ''
        for await (const piece of answer) text += piece
        resolve({ status: answer.statusCode, body: text === '' ? undefined : JSON.parse(text) })
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }
}
