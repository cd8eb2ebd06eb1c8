import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import de from './de'
import en from './en'
import { pseudoAll } from './pseudo'

type Texts = { [key: string]: string | Texts }

function flat(texts: Texts, before = ''): Map<string, string> {
  return new Map(
    Object.entries(texts).flatMap(([key, value]) =>
      typeof value === 'string' ? [[before + key, value] as const] : [...flat(value, `${before + key}.`)],
    ),
  )
}

const holes = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort()

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes('.test.') && !name.startsWith('i18n'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
}

test('both languages have the same keys with the same holes', () => {
  const [english, german] = [flat(en), flat(de)]
  expect([...german.keys()].sort()).toEqual([...english.keys()].sort())
  for (const [key, text] of english) expect([key, holes(german.get(key) ?? '')]).toEqual([key, holes(text)])
})

test('every text that a page asks for is there', () => {
  const known = [...flat(en).keys()]
  const asked = sources(join(import.meta.dirname, '..')).flatMap((text) =>
    [...text.matchAll(/\bt\(\s*(['`])([^'`]+)\1/g)].map(([, , key]) => key as string),
  )
  expect(asked.length).toBeGreaterThan(300)
  const missing = asked.filter((key) => {
    const [start, end] = key.includes('${') ? [key.split('${')[0], key.split('}').at(-1)] : [key, undefined]
    if (end !== undefined) return !known.some((one) => one.startsWith(start ?? '') && one.endsWith(end))
    return !known.includes(key) && !known.includes(`${key}_other`)
  })
  expect(missing).toEqual([])
})

test('no text is left that nothing asks for', () => {
  const all = sources(join(import.meta.dirname, '..')).join('\n')
  const unused = [...flat(en).keys()].filter((key) => {
    const bare = key.replace(/_(one|other|hint)$/, '')
    const [group = ''] = bare.split('.')
    const dynamic = [...all.matchAll(new RegExp(`\`(${group}\\.[a-z]*_?)\\$\\{`, 'gi'))].map(
      ([, start]) => start as string,
    )
    return (
      !all.includes(`'${bare}'`) &&
      !all.includes(`'${key}'`) &&
      !dynamic.some((start) => bare.startsWith(start))
    )
  })
  expect(unused).toEqual([])
})

test('the pseudo-locale changes words and keeps holes', () => {
  const { shell } = pseudoAll({ shell: { hello: 'Hello {{name}}' } }) as { shell: { hello: string } }
  expect(shell.hello).toMatch(/^\[Hêllö \{\{name\}\}·+\]$/)
})
