// Ranges of keys as bytes: several bounds and a prefix, narrowed to what all of them allow.

/** At most one bound on each side. */
export interface ByteRange {
  readonly gt?: Buffer
  readonly gte?: Buffer
  readonly lt?: Buffer
  readonly lte?: Buffer
}

/** Bounds as they were given, which may be several on a side. */
export interface GivenBounds extends ByteRange {
  readonly prefix?: Buffer | undefined
}

interface Bound {
  readonly key: Buffer
  /** Whether the key itself is in the range. */
  readonly isInclusive: boolean
}

/** The one range that fulfils all bounds; nothing may be in it. */
export function narrow({ gt, gte, lt, lte, prefix }: GivenBounds): ByteRange {
  const end = prefix === undefined ? undefined : prefixEnd(prefix)
  const lower = strictest([inclusive(gte), exclusive(gt), inclusive(prefix)], 1)
  const upper = strictest([inclusive(lte), exclusive(lt), exclusive(end)], -1)
  return {
    ...(lower !== undefined && (lower.isInclusive ? { gte: lower.key } : { gt: lower.key })),
    ...(upper !== undefined && (upper.isInclusive ? { lte: upper.key } : { lt: upper.key }))
  }
}

/** What is left of a range once `key` has been seen. */
export function behind(range: ByteRange, key: Buffer, isReverse: boolean): ByteRange {
  const { gt, gte, lt, lte } = range
  return isReverse
    ? { ...(gt && { gt }), ...(gte && { gte }), lt: key }
    : { ...(lt && { lt }), ...(lte && { lte }), gt: key }
}

/**
 * The first key behind all that begin with `prefix`. Undefined when there is none: no key is behind
 * those that begin with bytes `0xff` alone.
 */
export function prefixEnd(prefix: Buffer): Buffer | undefined {
  const last = prefix.findLastIndex((byte) => byte !== 0xff)
  if (last < 0) return undefined
  const end = Buffer.from(prefix.subarray(0, last + 1))
  end[last] = (end[last] as number) + 1
  return end
}

function inclusive(key: Buffer | undefined): Bound | undefined {
  return key && { key, isInclusive: true }
}

function exclusive(key: Buffer | undefined): Bound | undefined {
  return key && { key, isInclusive: false }
}

/** @param side 1 for lower bounds, of which the last is the strictest; -1 for upper ones. */
function strictest(bounds: readonly (Bound | undefined)[], side: 1 | -1): Bound | undefined {
  return bounds.reduce((left, right) => {
    if (left === undefined || right === undefined) return left ?? right
    const order = left.key.compare(right.key) * side
    if (order === 0) return left.isInclusive ? right : left
    return order > 0 ? left : right
  }, undefined)
}
