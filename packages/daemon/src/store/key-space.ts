// Which keys are the user's and which are partyd's own. Every read, range and write goes through
// here, so that what partyd keeps in the database is hidden by one bound and never by a filter.

import type { Range as KeyRange } from '@partyd/shared'

/**
 * Keys from here to the end of the key space are partyd's. Sixteen bytes 0xFF never occur in UTF-8,
 * so only a binary key can collide, and such a key is refused.
 */
export const HIDDEN_PREFIX: Buffer = Buffer.alloc(16, 0xff)

/** Behind the prefix, what partyd itself writes. Anything else there belongs to somebody else. */
export const HIDDEN_TAG: Buffer = Buffer.from('partyd', 'latin1')

/** Bounds of a range, in LevelDB's byte order. */
export type Range = KeyRange<Buffer>

export function isHidden(key: Uint8Array): boolean {
  if (key.length < HIDDEN_PREFIX.length || key[0] !== 0xff) return false
  return HIDDEN_PREFIX.compare(key, 0, HIDDEN_PREFIX.length) === 0
}

/**
 * Ends a range before the hidden keys. The bound is `lte: prefix` rather than `lt: prefix`, which
 * is the same since no key equals the prefix, but leaves the prefix itself as a place that a
 * reverse iterator can seek to.
 */
export function boundRange(range: Range): Range {
  const upper = range.lte ?? range.lt
  if (upper !== undefined && !isHidden(upper)) return range
  const { lt, lte, ...lower } = range
  return { ...lower, lte: HIDDEN_PREFIX }
}

/** Whether a key is in a range that {@link boundRange} has returned. */
export function isWithin({ gt, gte, lt, lte }: Range, key: Buffer): boolean {
  if (lte !== undefined) {
    if (key.compare(lte) > 0) return false
  } else if (lt !== undefined && key.compare(lt) >= 0) {
    return false
  }
  if (gte !== undefined) return key.compare(gte) >= 0
  return gt === undefined || key.compare(gt) > 0
}

/** The bound of a range that has no other, moved before the hidden keys. */
export function boundKey(key: Buffer): Buffer {
  return isHidden(key) ? HIDDEN_PREFIX : key
}

/**
 * Where an iterator over that range has to seek when asked for `target`. A hidden target means the
 * end of the user's keys, unless the range as the user gave it ends before the target.
 */
export function boundSeek(target: Buffer, { lt, lte }: Range = {}): Buffer {
  if (!isHidden(target)) return target
  const isOutside =
    lte !== undefined ? target.compare(lte) > 0 : lt !== undefined && target.compare(lt) >= 0
  return isOutside ? BEYOND_HIDDEN_PREFIX : HIDDEN_PREFIX
}

/** Out of every range that {@link boundRange} returns. */
const BEYOND_HIDDEN_PREFIX: Buffer = Buffer.alloc(HIDDEN_PREFIX.length + 1, 0xff)
