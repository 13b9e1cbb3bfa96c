// Sequence numbers of a session's writes, and how many of them may be unanswered at a time.

import { LIMITS, writeUint53At } from '@partyd/shared'

export class WriteWindow {
  /** The last sequence number ever put on a socket. */
  sentThrough = 0
  /** The daemon has answered every write up to this one. Answers to writes come in order. */
  settledThrough = 0
  #unsettledBytes = 0

  /** Whether a write of that size may be sent. A larger one than the window may, when it is alone. */
  hasRoom(bytes: number): boolean {
    const unsettled = this.sentThrough - this.settledThrough
    if (unsettled === 0) return true
    return (
      unsettled < LIMITS.unsettledWritesMax &&
      this.#unsettledBytes + bytes <= LIMITS.unsettledBytesMax
    )
  }

  /** The number of the next write. */
  take(bytes: number): number {
    this.#unsettledBytes += bytes
    return ++this.sentThrough
  }

  settle(sequence: number, bytes: number): void {
    this.#unsettledBytes -= bytes
    if (sequence > this.settledThrough) this.settledThrough = sequence
  }

  /** Writes a write's number, and what is settled by now, into its frame. */
  stamp(chunk: Buffer, at: number, sequence: number): void {
    writeUint53At(chunk, at, sequence)
    writeUint53At(chunk, at + 8, this.settledThrough)
  }
}
