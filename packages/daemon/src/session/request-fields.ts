// The parts that request bodies are made of. Everything is a view of the received chunk.

import { type FrameReader, KIND, LIMITS, ProtocolError, RANGE_FLAGS } from '@partyd/shared'
import type { Range } from '../store/key-space.js'

/** The pairs of a put, del or batch: key, value, key, value, …, all of them views of the frame. */
export function readPairs(reader: FrameReader): (Buffer | undefined)[] {
  if (reader.kind === KIND.put) return [reader.bytes(), reader.tail()]
  if (reader.kind === KIND.del) return [reader.tail(), undefined]
  const pairs = readOperations(reader)
  reader.finish()
  return pairs
}

/** What an atomic checks, and what it puts and deletes, as pairs. */
export function readAtomic(reader: FrameReader): {
  checks: (Buffer | undefined)[]
  pairs: (Buffer | undefined)[]
} {
  const checks = readOperations(reader)
  const pairs = readOperations(reader)
  reader.finish()
  return { checks, pairs }
}

function readOperations(reader: FrameReader): (Buffer | undefined)[] {
  const count = readCount(reader, 5)
  const pairs = new Array<Buffer | undefined>(count * 2)
  for (let index = 0; index < pairs.length; index += 2) {
    const type = reader.uint8()
    if (type > 1) {
      throw new ProtocolError(
        `A frame of kind ${reader.kind} has an operation of unknown type ${type}`
      )
    }
    pairs[index] = reader.bytes()
    pairs[index + 1] = type === 1 ? reader.bytes() : undefined
  }
  return pairs
}

/** The keys of a getMany or hasMany. */
export function readKeys(reader: FrameReader): Buffer[] {
  const count = readCount(reader, 4)
  if (count > LIMITS.keysMax) {
    throw new ProtocolError(
      `A frame of kind ${reader.kind} names ${count} keys, and ${LIMITS.keysMax} are allowed`
    )
  }
  const keys = new Array<Buffer>(count)
  for (let index = 0; index < keys.length; index++) keys[index] = reader.bytes()
  reader.finish()
  return keys
}

/** A count of items, each of which takes at least `bytesMin`: checked before anything is allocated for them. */
function readCount(reader: FrameReader, bytesMin: number): number {
  const count = reader.uint32()
  if (count * bytesMin > reader.end - reader.position) {
    throw new ProtocolError(`A frame of kind ${reader.kind} claims ${count} items it does not hold`)
  }
  return count
}

/** The number of the snapshot to read from, which is there if the flags say so. */
export function readSnapshotNumber(
  reader: FrameReader,
  flags: number,
  flag: number
): number | undefined {
  return (flags & flag) === 0 ? undefined : reader.uint32()
}

export function readRange(reader: FrameReader): Range {
  const flags = reader.uint8()
  const range: Range = {}
  if (flags & RANGE_FLAGS.gt) range.gt = reader.bytes()
  if (flags & RANGE_FLAGS.gte) range.gte = reader.bytes()
  if (flags & RANGE_FLAGS.lt) range.lt = reader.bytes()
  if (flags & RANGE_FLAGS.lte) range.lte = reader.bytes()
  return range
}
