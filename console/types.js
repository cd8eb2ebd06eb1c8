// Makes src/api/schema.d.ts from the API's document.

import { readFileSync, writeFileSync } from 'node:fs'
import openapi, { astToString } from 'openapi-typescript'

const document = JSON.parse(readFileSync(new URL('../docs/openapi.json', import.meta.url), 'utf8'))

const types = astToString(await openapi(document, { emptyObjectsUnknown: true }))
writeFileSync(new URL('src/api/schema.d.ts', import.meta.url), types)
