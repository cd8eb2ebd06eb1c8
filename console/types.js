// Makes src/api/schema.d.ts from the API's document.

import { readFileSync, writeFileSync } from 'node:fs'
import openapi, { astToString } from 'openapi-typescript'

const document = JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8'))

// Operations are told apart by path and method: their ids repeat from one part of the API to the next.
for (const path of Object.values(document.paths)) {
  for (const operation of Object.values(path)) delete operation.operationId
}

const types = astToString(await openapi(document, { emptyObjectsUnknown: true }))
writeFileSync(new URL('src/api/schema.d.ts', import.meta.url), types)
