// Encodes frames into large chunks. Knows lengths and number formats, not what the frames mean.

import { PartyError } from '../errors.js'
import { LIMITS } from '../limits.js'
import { UINT32, writeUint32At } from './numbers.js'

/** Bytes before a frame's body: length of what follows (u32), request id (u32), kind (u8). */
export const FRAME_HEADER_BYTES = 9

const CHUNK_BYTES = 64 * 1024
/** Room behind a long value for the fields that follow it. */
const SLACK_BYTES = 256
/** Above this length a string's bytes are counted before they are written. */
const COUNTED_LENGTH = 4096

/** A key or value in any of the formats that the API hands over. */
export type Bytes = string | Uint8Array

/**
 * What an encoding may give besides: any view counts for its bytes, also one of another realm.
 * @throws TypeError for everything else.
 */
function viewBytes(value: unknown): Uint8Array {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  }
  throw new TypeError(`An encoding gave ${describe(value)} in the place of a string or bytes`)
}

function describe(value: unknown): string {
  return value === null || value === undefined ? String(value) : `a value of type ${typeof value}`
}

/**
 * Encodes frames one after another into 64 KiB chunks. The bytes of a finished frame never move
 * and are never written again, so they can wait, be sent and be re-sent without a copy.
 * @throws PartyError `PARTYD_TOO_LARGE` from any method, when the frame outgrows the largest allowed;
 * TypeError for what is neither a string nor bytes.
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
    const bytes = value instanceof Uint8Array ? value : viewBytes(value)
    this.#reserve(bytes.byteLength)
    this.chunk.set(bytes, this.position)
    this.position += bytes.byteLength
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
