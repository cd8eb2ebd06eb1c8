/** What a prune keeps; nothing given is everything. */
export interface Rules {
  keep_last?: number
  keep_within?: string
}

/** The rules as they were typed; undefined where they make no sense. */
export function rulesOf(last: string, within: string): Rules | undefined {
  const [count, period] = [last.trim(), within.trim()]
  if (count !== '' && !/^[1-9]\d{0,8}$/.test(count)) return undefined
  if (period !== '' && !/^[1-9]\d*[a-z]+$/.test(period)) return undefined
  return {
    ...(count !== '' && { keep_last: Number(count) }),
    ...(period !== '' && { keep_within: period }),
  }
}

/** The secret of a recovery kit: 64 hexadecimal digits, as `vault-secret.hex` has them. */
export function secretOf(text: string): string | undefined {
  const secret = text.trim()
  return /^[0-9a-f]{64}$/i.test(secret) ? secret : undefined
}
