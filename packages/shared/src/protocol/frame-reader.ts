// Splits what is received into frames, and reads their fields in place. Knows lengths and number
// formats, not what the frames mean.

import { ProtocolError } from '../errors.js'
import { LIMITS } from '../limits.js'
import { readUint32At, UINT32 } from './numbers.js'

/**
 * Splits received chunks into frames and reads their fields in place.
 * After `next()` returned true, `id` and `kind` are the frame's and the field methods walk its body.
 * @throws ProtocolError from any method, when a length does not fit.
 */
export class FrameReader {
  id = 0
  kind = 0
  /** The chunk the current frame lies in. */
  chunk: Buffer = EMPTY
  /** The next unread byte of the body, and the byte behind it. */
  position = 0
  end = 0

  /** Largest frame accepted; small until a hello is through. */
  frameBytesMax: number = LIMITS.frameBytesMax

  #received: Buffer[] = []
  #pending: Buffer = EMPTY
  #offset = 0
  /** A frame that spans chunks, being put together, and how much of it is there. */
  #partial: Buffer | undefined
  #filled = 0

  /** Adds received bytes. They are kept, not copied, until the frames in them are read. */
  append(chunk: Buffer): void {
    if (this.#offset === this.#pending.length && this.#received.length === 0) {
      this.#pending = chunk
      this.#offset = 0
      return
    }
    this.#received.push(chunk)
  }

  /** Moves to the next complete frame; false when more bytes are needed. */
  next(): boolean {
    for (;;) {
      if (this.#partial !== undefined) {
        if (!this.#fillPartial()) return false
        const frame = this.#partial
        this.#partial = undefined
        this.#open(frame, 4, frame.length)
        return true
      }
      const available = this.#pending.length - this.#offset
      if (available >= 4) {
        const length = readUint32At(this.#pending, this.#offset)
        this.#assertFrameLength(length)
        if (available >= 4 + length) {
          this.#open(this.#pending, this.#offset + 4, this.#offset + 4 + length)
          this.#offset += 4 + length
          return true
        }
        this.#partial = Buffer.allocUnsafeSlow(4 + length)
        this.#filled = 0
        continue
      }
      if (!this.#joinReceived(available)) return false
    }
  }

  uint8(): number {
    this.#assertBody(1)
    return this.chunk[this.position++] as number
  }

  uint32(): number {
    this.#assertBody(4)
    const value = readUint32At(this.chunk, this.position)
    this.position += 4
    return value
  }

  uint53(): number {
    const low = this.uint32()
    const high = this.uint32()
    if (high > 0x1f_ffff) throw new ProtocolError('A number in the frame is larger than 2^53 - 1')
    return high * UINT32 + low
  }

  /** A length-prefixed field, as a view of the received chunk. */
  bytes(): Buffer {
    return this.view(this.uint32())
  }

  /** The next `length` bytes, as a view of the received chunk. */
  view(length: number): Buffer {
    this.#assertBody(length)
    const view = this.chunk.subarray(this.position, this.position + length)
    this.position += length
    return view
  }

  /** A length-prefixed field, as a string. */
  text(): string {
    return this.string(this.uint32())
  }

  /** The next `length` bytes, as a string. */
  string(length: number): string {
    this.#assertBody(length)
    const text = this.chunk.toString('utf8', this.position, this.position + length)
    this.position += length
    return text
  }

  /** Whatever is left of the body, as a view. */
  tail(): Buffer {
    const view = this.chunk.subarray(this.position, this.end)
    this.position = this.end
    return view
  }

  /** Whatever is left of the body, as a string. */
  tailText(): string {
    const text = this.chunk.toString('utf8', this.position, this.end)
    this.position = this.end
    return text
  }

  /** The body must have been read to its last byte. */
  finish(): void {
    if (this.position !== this.end) {
      throw new ProtocolError(
        `A frame of kind ${this.kind} has ${this.end - this.position} bytes too many`
      )
    }
  }

  #open(chunk: Buffer, start: number, end: number): void {
    this.chunk = chunk
    this.id = readUint32At(chunk, start)
    this.kind = chunk[start + 4] as number
    this.position = start + 5
    this.end = end
  }

  #assertFrameLength(length: number): void {
    if (length < 5) throw new ProtocolError(`A frame is only ${length} bytes long`)
    if (length > this.frameBytesMax) {
      throw new ProtocolError(
        `A frame of ${length} bytes is larger than the ${this.frameBytesMax} allowed`
      )
    }
  }

  #assertBody(bytes: number): void {
    if (bytes > this.end - this.position) {
      throw new ProtocolError(`A frame of kind ${this.kind} ends in the middle of a field`)
    }
  }

  /** Copies received bytes into the partial frame; true once it is complete. */
  #fillPartial(): boolean {
    const partial = this.#partial as Buffer
    for (;;) {
      const count = Math.min(this.#pending.length - this.#offset, partial.length - this.#filled)
      this.#pending.copy(partial, this.#filled, this.#offset, this.#offset + count)
      this.#offset += count
      this.#filled += count
      if (this.#filled === partial.length) return true
      const following = this.#received.shift()
      if (following === undefined) {
        this.#pending = EMPTY
        this.#offset = 0
        return false
      }
      this.#pending = following
      this.#offset = 0
    }
  }

  /** Puts the few bytes that are left in front of the next received chunk; false when there is none. */
  #joinReceived(available: number): boolean {
    const following = this.#received.shift()
    if (following === undefined) return false
    this.#pending =
      available === 0 ? following : Buffer.concat([this.#pending.subarray(this.#offset), following])
    this.#offset = 0
    return true
  }
}

const EMPTY: Buffer = Buffer.alloc(0)
