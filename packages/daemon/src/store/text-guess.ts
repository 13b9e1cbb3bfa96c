// Whether to read as text what may be bytes. classic-level makes a string of UTF-8 three times as
// fast as a Buffer, whose memory V8 allocates, tracks and frees by itself, and text read is text
// written: decoding and encoding give back the same bytes. What is not UTF-8 comes with U+FFFD in the
// place of the bytes that are wrong, so that it can be told and is read again.

import type { Bytes } from '@partyd/shared'

/** Longer text costs more to decode than its bytes cost to copy. In UTF-16 units. */
const TEXT_LENGTH_MAX = 64 * 1024
/** After one that is not text, so many are read as bytes at once. */
const READS_AS_BYTES = 64

/** Whether what was read as UTF-8 surely stands for what is stored, and is worth reading so. */
export function isPlainText(text: Bytes): boolean {
  // There is a longest string, and no string for what is longer.
  return typeof text === 'string' && text.length <= TEXT_LENGTH_MAX && !text.includes('\ufffd')
}

/** Learns from what was read what the next will be. */
export class TextGuess {
  #readsAsBytes: number

  /** @param isOptimist whether to try text from the beginning; otherwise some reads are looked at first. */
  constructor(isOptimist: boolean) {
    this.#readsAsBytes = isOptimist ? 0 : READS_AS_BYTES
  }

  /** Whether to try text. */
  guess(): boolean {
    if (this.#readsAsBytes === 0) return true
    this.#readsAsBytes--
    return false
  }

  /** A value was read that is not worth reading as text, or is none. */
  onBytes(): void {
    this.#readsAsBytes = READS_AS_BYTES
  }
}

/** Whether a value is so long that its bytes are better left as they are. */
export function isLong(value: Bytes | undefined): boolean {
  return value !== undefined && value.length > TEXT_LENGTH_MAX
}

/** The bytes of what was read in either form. */
export function toBuffer(data: Bytes): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : (data as Buffer)
}
