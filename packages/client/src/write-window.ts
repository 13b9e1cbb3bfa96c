// Sequence numbers of a session's writes, and how many of them may be unanswered at a time.

import { LIMITS, writeUint53At } from '@partyd/shared'

export class WriteWindow {
  #sentThrough = 0
  #settledThrough = 0
  /** The number that the daemon expects next on this link. */
  #expected = 1
  #unsettledBytes = 0

  /** The last sequence number ever put on a socket. */
  get sentThrough(): number {
    return this.#sentThrough
  }

  /** The daemon has answered every write up to this one. Answers to writes come in order. */
  get settledThrough(): number {
    return this.#settledThrough
  }

  /** Whether a write of that size may be sent. A larger one than the window may, when it is alone. */
  hasRoom(bytes: number): boolean {
    const unsettled = this.#sentThrough - this.#settledThrough
    if (unsettled === 0) return true
    return (
      unsettled < LIMITS.unsettledWritesMax &&
      this.#unsettledBytes + bytes <= LIMITS.unsettledBytesMax
    )
  }

  /** The number of the next write. */
  take(bytes: number): number {
    this.#unsettledBytes += bytes
    return ++this.#sentThrough
  }

  /** The write was answered. */
  settle(sequence: number, bytes: number): void {
    this.#unsettledBytes -= bytes
    this.#settledThrough = Math.max(this.#settledThrough, sequence)
  }

  /** Nobody waits for the write any more, though nothing is known of it: its number stays in doubt. */
  abandon(bytes: number): void {
    this.#unsettledBytes -= bytes
  }

  /** A new link: the daemon has the writes up to `applied` and expects the one behind them. */
  resume(applied: number): void {
    this.#settledThrough = Math.max(this.#settledThrough, applied)
    this.#expected = applied + 1
  }

  /** A number that must be skipped before `sequence` can be sent, because its write was abandoned. */
  takeGap(sequence: number): number | undefined {
    return this.#expected < sequence ? this.#expected++ : undefined
  }

  /** Writes a write's number, and what is settled by now, into its frame. */
  stamp(chunk: Buffer, at: number, sequence: number): void {
    writeUint53At(chunk, at, sequence)
    writeUint53At(chunk, at + 8, this.#settledThrough)
    this.#expected = sequence + 1
  }
}
