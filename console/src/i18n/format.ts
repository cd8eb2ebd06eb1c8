// Times, sizes and counts as people of a language write them.

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

export function bytes(value: number, locale: string): string {
  let unit = 0
  let rest = value
  while (rest >= 1024 && unit < BYTES.length - 1) {
    rest /= 1024
    unit += 1
  }
  const digits = unit === 0 || rest >= 100 ? 0 : 1
  const text = rest.toLocaleString(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits })
  return `${text} ${BYTES[unit]}`
}

export function count(value: number, locale: string): string {
  return value.toLocaleString(locale)
}

/** A date and a time to the second, with the zone: what is shown where the exact time counts. */
export function exact(time: string | Date, locale: string): string {
  const moment = new Date(time)
  if (Number.isNaN(moment.getTime())) return String(time)
  return moment.toLocaleString(locale, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  })
}

export function short(time: string | Date, locale: string): string {
  const moment = new Date(time)
  if (Number.isNaN(moment.getTime())) return String(time)
  return moment.toLocaleString(locale, { dateStyle: 'medium', timeStyle: 'short' })
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

export function relative(time: string | Date, now: number, locale: string): string {
  const seconds = (new Date(time).getTime() - now) / 1000
  if (Number.isNaN(seconds)) return String(time)
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit)
  }
  // "in 3 seconds" of a clock that is a little off says nothing.
  return format.format(Math.min(0, Math.round(seconds)), 'second')
}

const SPANS: [Intl.NumberFormatOptions['unit'], number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]

/** A length of time with its two largest units: `2 d 4 h`. */
export function span(milliseconds: number, locale: string): string {
  let rest = Math.max(0, milliseconds)
  if (rest > 0 && rest < 1000) return `<${span(1000, locale)}`
  const parts: string[] = []
  for (const [unit, length] of SPANS) {
    const whole = Math.floor(rest / length)
    rest -= whole * length
    if (whole > 0 || (unit === 'second' && parts.length === 0)) {
      parts.push(new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'narrow' }).format(whole))
    } else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.join(' ')
}
