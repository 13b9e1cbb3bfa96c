// Medians, spread and paired ratios.

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Of a list that is not empty. */
export function spreadOf(list: readonly number[]): Spread {
  const sorted = [...list].sort((left, right) => left - right)
  return { median: median(list), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

export function median(list: readonly number[]): number {
  const sorted = [...list].sort((left, right) => left - right)
  const middle = sorted.length / 2
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN
  const high = sorted[Math.floor(middle)] ?? Number.NaN
  return (low + high) / 2
}

/**
 * Round by round, one list against the other: what slows the whole machine in a round slows both,
 * so the median of these says more than the ratio of the medians.
 */
export function paired(
  list: readonly number[],
  against: readonly number[],
  compare: (left: number, right: number) => number = (left, right) => left / right
): Spread {
  return spreadOf(list.map((value, round) => compare(value, against[round] ?? Number.NaN)))
}
