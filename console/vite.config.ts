import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import type { Plugin, ProxyOptions } from 'vite'
import { defineConfig } from 'vitest/config'

// `HOLDFAST_SERVER` is the address of a server that runs, `HOLDFAST_SERVER_TLS` the folder with its
// `server.pem` and `server.key`: the session's cookie is for HTTPS only, so the pages need it too.
const server = process.env.HOLDFAST_SERVER
const folder = process.env.HOLDFAST_SERVER_TLS

const https = folder
  ? { cert: readFileSync(`${folder}/server.pem`), key: readFileSync(`${folder}/server.key`) }
  : undefined

const proxy: Record<string, ProxyOptions> | undefined = server
  ? { '/api': { target: server, secure: false } }
  : undefined

// What the server sends with the pages, so that a preview is no more lenient.
const headers = {
  'Content-Security-Policy':
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
}

// The server gives these to browsers that take them: it compresses nothing itself. They are made of
// what was written: Vite fills in what a chunk loads beforehand after all other plugins.
const compressed: Plugin = {
  name: 'compressed',
  apply: 'build',
  writeBundle({ dir = '' }, bundle) {
    for (const name of Object.keys(bundle)) {
      if (!/\.(js|css|svg)$/.test(name)) continue
      const path = join(dir, name)
      writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path)))
    }
  },
}

const listen = { host: 'localhost', port: Number(process.env.PORT ?? 5173), strictPort: true }

export default defineConfig({
  plugins: [react(), tailwindcss(), compressed],
  define: { __PSEUDO__: JSON.stringify(process.env.HOLDFAST_PSEUDO === '1') },
  server: { ...listen, proxy, https },
  preview: { ...listen, proxy, https, headers },
  build: { target: 'es2022', sourcemap: false, assetsInlineLimit: 0 },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
})
