// The entries of one answer to an iterator, decoded one by one as they are asked for.

import { ANSWER_FLAGS, type FrameReader, KIND, ProtocolError } from '@partyd/shared'
import { expectKind, ownBytes, type Value } from './answers.js'

/** What of an entry travels, and in which formats the API wants it. */
export interface EntryFormat {
  /** Whether keys, and whether values, are in the frames. */
  readonly keys: boolean
  readonly values: boolean
  readonly isKeyText: boolean
  readonly isValueText: boolean
}

export class EntryChunk {
  /** Entries it came with, and those not taken yet. */
  readonly count: number
  remaining: number
  /** Whether the iterator's end is behind this chunk. */
  readonly isLast: boolean
  readonly #format: EntryFormat
  readonly #bytes: Buffer
  #position = 0
  #lastKey: Buffer | undefined

  constructor(reader: FrameReader, format: EntryFormat) {
    expectKind(reader, KIND.entries)
    this.isLast = (reader.uint8() & ANSWER_FLAGS.ended) !== 0
    this.count = reader.uint32()
    this.remaining = this.count
    this.#format = format
    this.#bytes = reader.tail()
  }

  /** The key of the entry last taken, as bytes. */
  get lastKey(): Buffer | undefined {
    return this.#lastKey
  }

  take(): [Value | undefined, Value | undefined] {
    this.remaining--
    const { keys, values, isKeyText, isValueText } = this.#format
    let key: Value | undefined
    if (keys) {
      this.#lastKey = this.#field()
      key = isKeyText ? this.#lastKey.toString() : ownBytes(this.#lastKey)
    }
    if (!values) return [key, undefined]
    const value = this.#field()
    return [key, isValueText ? value.toString() : ownBytes(value)]
  }

  #field(): Buffer {
    const bytes = this.#bytes
    const start = this.#position + 4
    const end = start > bytes.length ? start : start + bytes.readUInt32LE(this.#position)
    if (end > bytes.length) {
      throw new ProtocolError(`An answer ends in the middle of the ${this.count} entries it claims`)
    }
    this.#position = end
    return bytes.subarray(start, end)
  }
}
