// One watch of a party session: puts the changes in its range on the channel, as long as the client
// takes them; else it drops them, and says so once the client has caught up.

import {
  CHANGE_FLAGS,
  type Channel,
  type FrameWriter,
  KIND,
  LIMITS,
  type PartyError
} from '@partyd/shared'
import { isWithin, type Range } from '../store/key-space.js'
import type { CommittedWrite, Watcher } from '../store/watch-hub.js'
import type { Pairs } from '../store/writes.js'

export class PartyWatch implements Watcher {
  readonly #id: number
  readonly #range: Range
  readonly #channel: Channel
  readonly #writer: FrameWriter
  /** behind: what changes is dropped, until the client has read what waits for it. */
  #status: 'following' | 'behind' | 'closed' = 'following'
  /** Whether a frame has been begun that may take more changes. */
  #isWriting = false

  /** @param writer shared by the watches of a session, none of which leaves a frame unfinished. */
  constructor(id: number, range: Range, channel: Channel, writer: FrameWriter) {
    this.#id = id
    this.#range = range
    this.#channel = channel
    this.#writer = writer
  }

  close(): void {
    this.#status = 'closed'
  }

  onCommitted(writes: readonly CommittedWrite[]): void {
    if (this.#status !== 'following') return
    // Looked at here and nowhere else: a batch that has been begun is sent to its end.
    if (this.#channel.outgoingBytes > LIMITS.watchOutgoingBytesMax) return void this.#fallBehind()
    try {
      for (const { seq, pairs } of writes) this.#writeMatching(seq, pairs)
      this.#endFrame()
    } catch (error) {
      // A change that fits no frame: a guest's may be a few bytes longer than a client can be told.
      if ((error as PartyError).code !== 'PARTYD_TOO_LARGE') throw error
      this.#writer.abandon()
      this.#isWriting = false
      void this.#fallBehind()
    }
  }

  /** Writes one behind: which change is the last is known only when there is no other. */
  #writeMatching(seq: number, pairs: Pairs): void {
    let previous = -1
    for (let index = 0; index < pairs.length; index += 2) {
      if (!isWithin(this.#range, pairs[index] as Buffer)) continue
      if (previous >= 0) this.#write(seq, pairs, previous, 0)
      previous = index
    }
    if (previous >= 0) this.#write(seq, pairs, previous, CHANGE_FLAGS.last)
  }

  #write(seq: number, pairs: Pairs, index: number, last: number): void {
    const key = pairs[index] as Buffer
    const value = pairs[index + 1]
    this.#makeRoom(key.length + (value?.length ?? 0))
    const writer = this.#writer
    writer.uint8(value === undefined ? last : last | CHANGE_FLAGS.put)
    writer.uint53(seq)
    writer.bytes(key)
    if (value !== undefined) writer.bytes(value)
  }

  /** A large change has a frame to itself, or it might not fit one. */
  #makeRoom(bytes: number): void {
    const begun = this.#writer.position - this.#writer.start
    if (this.#isWriting && begun + bytes > LIMITS.changesFrameBytes) this.#endFrame()
    if (!this.#isWriting) this.#beginFrame()
  }

  #beginFrame(): void {
    this.#writer.begin(KIND.changes, 0)
    this.#writer.uint32(this.#id)
    this.#isWriting = true
  }

  #endFrame(): void {
    if (this.#isWriting) this.#send()
    this.#isWriting = false
  }

  async #fallBehind(): Promise<void> {
    this.#status = 'behind'
    await this.#channel.writable()
    if (this.#status !== 'behind') return
    this.#status = 'following'
    this.#writer.begin(KIND.watchReset, 0)
    this.#writer.uint32(this.#id)
    this.#send()
  }

  #send(): void {
    const writer = this.#writer
    writer.end()
    this.#channel.send(writer.chunk, writer.start, writer.position)
  }
}
