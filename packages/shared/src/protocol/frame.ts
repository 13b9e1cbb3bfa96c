// Frames as bytes: a writer that encodes into large chunks and a reader that parses in place.
// Knows lengths and number formats, not what the frames mean.

import { PartyError, ProtocolError } from '../errors.js'
import { LIMITS } from '../limits.js'

/** Bytes before a frame's body: length of what follows (u32), request id (u32), kind (u8). */
export const FRAME_HEADER_BYTES = 9

const CHUNK_BYTES = 64 * 1024
/** Room behind a long value for the fields that follow it. */
const SLACK_BYTES = 256
/** Above this length a string's bytes are counted before they are written. */
const COUNTED_LENGTH = 4096
const UINT32 = 0x1_0000_0000

/** A key or value in any of the formats that the API hands over. */
export type Bytes = string | Uint8Array

/**
 * Encodes frames one after another into 64 KiB chunks. The bytes of a finished frame never move
 * and are never written again, so they can wait, be sent and be re-sent without a copy.
 * @throws PartyError `PARTYD_TOO_LARGE` from any method, when the frame outgrows the largest allowed.
 */
export class FrameWriter {
  /** The chunk that holds the frame being written or just ended. */
  chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  /** Where the current frame begins and where the next byte goes. */
  start = 0
  position = 0

  begin(kind: number, id: number): void {
    this.start = this.position
    this.#reserve(FRAME_HEADER_BYTES)
    this.position += 4
    this.#writeUint32(id)
    this.chunk[this.position++] = kind
  }

  uint8(value: number): void {
    this.#reserve(1)
    this.chunk[this.position++] = value
  }

  uint32(value: number): void {
    this.#reserve(4)
    this.#writeUint32(value)
  }

  /** A whole number up to 2^53 - 1, as two 32-bit halves, low half first. */
  uint53(value: number): void {
    this.#reserve(8)
    this.#writeUint32(value)
    this.#writeUint32(Math.floor(value / UINT32))
  }

  /** Length (u32), then the bytes; a string as UTF-8. */
  bytes(value: Bytes): void {
    this.#reserve(4)
    this.position += 4
    // Counted from the frame's start, because the frame may move to a larger chunk meanwhile.
    const offset = this.position - this.start
    this.tail(value)
    const start = this.start + offset
    writeUint32At(this.chunk, start - 4, this.position - start)
  }

  /** The bytes alone; the end of the frame is their end. */
  tail(value: Bytes): void {
    if (typeof value === 'string') {
      // UTF-8 needs at most three bytes for one UTF-16 unit; counting pays only for long strings.
      const bytes = value.length > COUNTED_LENGTH ? Buffer.byteLength(value) : value.length * 3
      this.#reserve(bytes)
      this.position += this.chunk.write(value, this.position, 'utf8')
      return
    }
    this.#reserve(value.byteLength)
    this.chunk.set(value, this.position)
    this.position += value.byteLength
  }

  /** @param following bytes of the frame that its owner sends right behind it instead of copying them here. */
  end(following = 0): void {
    const length = this.position - this.start - 4 + following
    writeUint32At(this.chunk, this.start, length)
  }

  /** Takes back a frame that was begun. */
  abandon(): void {
    this.position = this.start
  }

  #writeUint32(value: number): void {
    writeUint32At(this.chunk, this.position, value)
    this.position += 4
  }

  #reserve(bytes: number): void {
    if (this.position + bytes > this.chunk.length) this.#grow(bytes)
  }

  /** Moves the unfinished frame, and nothing else, to a new chunk with room for `bytes` more. */
  #grow(bytes: number): void {
    const begun = this.position - this.start
    if (begun + bytes > LIMITS.frameBytesMax) {
      throw new PartyError(
        'PARTYD_TOO_LARGE',
        `A frame of ${begun + bytes} bytes is larger than the ${LIMITS.frameBytesMax} allowed. Split the batch or the value.`
      )
    }
    // A long value gets just the room it needs. What grows value by value doubles, however long
    // each of them is, or the frame would be copied once for each.
    const isLongValue = bytes > CHUNK_BYTES && begun < bytes
    const wanted = isLongValue ? begun + bytes + SLACK_BYTES : (begun + bytes) * 2
    // Never more than the largest frame, or what fits the chunk would not be looked at again.
    const size = Math.min(Math.max(wanted, CHUNK_BYTES), LIMITS.frameBytesMax)
    const chunk = Buffer.allocUnsafeSlow(size)
    this.chunk.copy(chunk, 0, this.start, this.position)
    this.chunk = chunk
    this.start = 0
    this.position = begun
  }
}

/** Writes a little-endian u32. By hand: four stores are faster than Buffer's checked method. */
export function writeUint32At(chunk: Buffer, at: number, value: number): void {
  chunk[at] = value
  chunk[at + 1] = value >>> 8
  chunk[at + 2] = value >>> 16
  chunk[at + 3] = value >>> 24
}

/** Writes a whole number up to 2^53 - 1 as {@link FrameWriter.uint53} does. */
export function writeUint53At(chunk: Buffer, at: number, value: number): void {
  writeUint32At(chunk, at, value)
  writeUint32At(chunk, at + 4, Math.floor(value / UINT32))
}

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
    const length = this.uint32()
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

/** Reads a little-endian u32. */
export function readUint32At(chunk: Buffer, at: number): number {
  return (
    ((chunk[at] as number) |
      ((chunk[at + 1] as number) << 8) |
      ((chunk[at + 2] as number) << 16) |
      ((chunk[at + 3] as number) << 24)) >>>
    0
  )
}
