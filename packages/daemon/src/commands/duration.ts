// Times as people type them: `500ms`, `10s`, `2m`, `1h`, or a plain number of milliseconds. The only
// file that knows ms.

import ms from 'ms'

/** @returns milliseconds. @throws TypeError when it is no time, or a negative one. */
export function parseDuration(text: string): number {
  // A text of its own type is what ms wants; whatever it is not it answers with undefined.
  const value = text.trim() === '' ? undefined : (ms(text as ms.StringValue) as number | undefined)
  if (value === undefined || !(value >= 0)) {
    throw new TypeError(
      `'${text}' is no time: give a number and a unit, as in 500ms, 10s, 2m or 1h`
    )
  }
  return Math.round(value)
}

/** Also takes `never`. @returns milliseconds, Infinity for never. @throws TypeError */
export function parseDurationOrNever(text: string): number {
  return text === 'never' ? Number.POSITIVE_INFINITY : parseDuration(text)
}

/** For people: `3s`, `2m`. */
export function formatDuration(milliseconds: number): string {
  return ms(milliseconds)
}
