// Text that looks foreign and is longer, to find words that are not in the catalogue and places that
// are too narrow.

const MARKS: Record<string, string> = {
  a: 'á',
  e: 'ê',
  i: 'ï',
  o: 'ö',
  u: 'ü',
  c: 'ç',
  n: 'ñ',
  s: 'š',
  y: 'ý',
}

export function pseudo(text: string): string {
  const pieces = text.split(/(\{\{.*?\}\}|<\/?\w+>)/)
  const marked = pieces.map((piece, index) =>
    index % 2 === 1 ? piece : piece.replace(/[aeioucnsy]/g, (letter) => MARKS[letter] ?? letter),
  )
  return `[${marked.join('')}${'·'.repeat(Math.ceil(text.length * 0.3))}]`
}

type Texts = { [key: string]: string | Texts }

export function pseudoAll(texts: Texts): Texts {
  return Object.fromEntries(
    Object.entries(texts).map(([key, value]) => [
      key,
      typeof value === 'string' ? pseudo(value) : pseudoAll(value),
    ]),
  )
}
