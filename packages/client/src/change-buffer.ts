// Changes between the socket and whoever consumes them: as they came, decoded one by one, and
// bounded. Whoever is too slow gets a single reset in place of all that waits.

import { CHANGE_FLAGS, type FrameReader, LIMITS, UINT32 } from '@partyd/shared'
import { ownBytes } from './answers.js'

/** A change as it travels. */
export interface RawChange {
  readonly key: Buffer
  /** Undefined when the key was deleted. */
  readonly value: Buffer | undefined
  readonly seq: number
  readonly last: boolean
}

/** What a frame takes besides its bytes, roughly: many hold a single small change. */
const FRAME_OVERHEAD_BYTES = 128

export class ChangeBuffer {
  /** following: changes are kept · behind: they are dropped, until the reset has been taken. */
  #status: 'following' | 'behind' = 'following'
  #frames: Buffer[] = []
  /** The frame that the next change is in, and where in it. */
  #head = 0
  #position = 0
  #bytes = 0

  /** Keeps the changes that are left in a frame. */
  push(reader: FrameReader): void {
    if (this.#status === 'behind') return
    const frame = ownBytes(reader.tail())
    // One alone is kept, however large: nobody could ever see a change that is not.
    const isFull = this.#bytes + frame.length > LIMITS.watchBufferBytesMax
    if (this.#bytes > 0 && isFull) return this.reset()
    this.#frames.push(frame)
    this.#bytes += frame.length + FRAME_OVERHEAD_BYTES
  }

  /** Something was missed, so what waits is of no use any more. */
  reset(): void {
    this.#status = 'behind'
    this.#clear()
  }

  /** The next change, if there is one. From a reset on changes are kept again. */
  take(): RawChange | 'reset' | undefined {
    if (this.#status === 'behind') {
      this.#status = 'following'
      return 'reset'
    }
    const frame = this.#frames[this.#head]
    if (frame === undefined) return undefined
    const change = this.#decode(frame)
    if (this.#position >= frame.length) this.#leave(frame)
    return change
  }

  #decode(frame: Buffer): RawChange {
    const at = this.#position
    const flags = frame.readUInt8(at)
    const seq = frame.readUInt32LE(at + 1) + frame.readUInt32LE(at + 5) * UINT32
    this.#position = at + 9
    const key = this.#field(frame)
    const value = flags & CHANGE_FLAGS.put ? this.#field(frame) : undefined
    return { key, value, seq, last: (flags & CHANGE_FLAGS.last) !== 0 }
  }

  #field(frame: Buffer): Buffer {
    const start = this.#position + 4
    this.#position = start + frame.readUInt32LE(start - 4)
    return frame.subarray(start, this.#position)
  }

  #leave(frame: Buffer): void {
    this.#position = 0
    this.#head++
    this.#bytes -= frame.length + FRAME_OVERHEAD_BYTES
    if (this.#head === this.#frames.length) return this.#clear()
    // Shifting an array moves all that is behind: in large portions that costs nothing.
    if (this.#head < 1024 || this.#head * 2 < this.#frames.length) return
    this.#frames = this.#frames.slice(this.#head)
    this.#head = 0
  }

  #clear(): void {
    this.#frames = []
    this.#head = 0
    this.#position = 0
    this.#bytes = 0
  }
}
