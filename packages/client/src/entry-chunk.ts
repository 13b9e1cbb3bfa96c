// The entries of one answer to an iterator, decoded one by one as they are asked for.

import { ANSWER_FLAGS, type FrameReader, KIND, ProtocolError, readUint32At } from '@partyd/shared'
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
  /** The received chunk that the frame lies in, and where the next entry begins. */
  readonly #bytes: Buffer
  #position: number
  readonly #end: number
  /** Where the key of the entry last taken is. */
  #keyStart = -1
  #keyEnd = -1

  constructor(reader: FrameReader, format: EntryFormat) {
    expectKind(reader, KIND.entries)
    this.isLast = (reader.uint8() & ANSWER_FLAGS.ended) !== 0
    this.count = reader.uint32()
    this.remaining = this.count
    this.#format = format
    this.#bytes = reader.chunk
    this.#position = reader.position
    this.#end = reader.end
  }

  /** The key of the entry last taken, as bytes. */
  get lastKey(): Buffer | undefined {
    return this.#keyStart < 0 ? undefined : this.#bytes.subarray(this.#keyStart, this.#keyEnd)
  }

  take(): [Value | undefined, Value | undefined] {
    this.remaining--
    const { keys, values, isKeyText, isValueText } = this.#format
    let key: Value | undefined
    if (keys) {
      this.#keyStart = this.#position + 4
      key = this.#field(isKeyText)
      this.#keyEnd = this.#position
    }
    return [key, values ? this.#field(isValueText) : undefined]
  }

  /** @throws ProtocolError when the frame ends in the middle of an entry. */
  #field(isText: boolean): Value {
    const start = this.#position + 4
    const end = start + readUint32At(this.#bytes, this.#position)
    if (end > this.#end)
      throw new ProtocolError(`An answer ends in the middle of the ${this.count} entries it claims`)
    this.#position = end
    return isText
      ? this.#bytes.toString('utf8', start, end)
      : ownBytes(this.#bytes.subarray(start, end))
  }
}
