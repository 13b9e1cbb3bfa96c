// Ranges of keys, as both sides resume them.

/** Bounds of a range, of keys in one form. As in abstract-level, `gte` and `lte` win over `gt` and `lt`. */
export interface Range<K> {
  gt?: K
  gte?: K
  lt?: K
  lte?: K
}

/** What is left of a range behind `last`, in the direction of travel. */
export function rangeBehind<K>(range: Range<K>, last: K, reverse: boolean): Range<K> {
  if (reverse) {
    const { lte, ...rest } = range
    return { ...rest, lt: last }
  }
  const { gte, ...rest } = range
  return { ...rest, gt: last }
}
