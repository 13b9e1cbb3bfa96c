// Ranges on the client's side: encoding them into a frame, and narrowing one to where a seek or a
// resumed scan has to start.

import { type Bytes, type FrameWriter, type Range as KeyRange, RANGE_FLAGS } from '@partyd/shared'

/** Bounds in the encoding format the API gave. */
export type Range = KeyRange<Bytes>

/** The bounds among the options of an iterator or a clear, and nothing else. */
export function pickRange({ gt, gte, lt, lte }: Range): Range {
  return {
    ...(gt !== undefined && { gt }),
    ...(gte !== undefined && { gte }),
    ...(lt !== undefined && { lt }),
    ...(lte !== undefined && { lte })
  }
}

export function writeRange(frame: FrameWriter, { gt, gte, lt, lte }: Range): void {
  frame.uint8(
    (gt !== undefined ? RANGE_FLAGS.gt : 0) |
      (gte !== undefined ? RANGE_FLAGS.gte : 0) |
      (lt !== undefined ? RANGE_FLAGS.lt : 0) |
      (lte !== undefined ? RANGE_FLAGS.lte : 0)
  )
  if (gt !== undefined) frame.bytes(gt)
  if (gte !== undefined) frame.bytes(gte)
  if (lt !== undefined) frame.bytes(lt)
  if (lte !== undefined) frame.bytes(lte)
}

/** What is left of a range from `target` on, in the direction of travel; undefined if `target` is not in it. */
export function rangeFrom(range: Range, target: Bytes, reverse: boolean): Range | undefined {
  if (!contains(range, toBuffer(target))) return undefined
  if (reverse) {
    const { lt, ...rest } = range
    return { ...rest, lte: target }
  }
  const { gt, ...rest } = range
  return { ...rest, gte: target }
}

/** As in abstract-level, `gte` and `lte` win over `gt` and `lt`. */
function contains({ gt, gte, lt, lte }: Range, key: Buffer): boolean {
  if (lte !== undefined) {
    if (key.compare(toBuffer(lte)) > 0) return false
  } else if (lt !== undefined && key.compare(toBuffer(lt)) >= 0) {
    return false
  }
  if (gte !== undefined) return key.compare(toBuffer(gte)) >= 0
  return gt === undefined || key.compare(toBuffer(gt)) > 0
}

function toBuffer(bytes: Bytes): Buffer {
  if (typeof bytes === 'string') return Buffer.from(bytes)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
