// What the daemon knows of a session besides its connection: how far its writes have come. Outlives
// connections; what outlives the daemon is the record that it adds to every batch.

import { RESULT } from '@partyd/shared'
import type { Batch } from '../store/database.js'
import {
  type ClearProgress,
  encodeRecord,
  recordKey,
  type SessionRecord
} from '../store/session-records.js'
import type { SequencedSession } from '../store/writes.js'

export class SessionState implements SequencedSession {
  readonly id: string
  /** The connection that the session is on, counted by the client. */
  attempt: number
  /** The last write that is in the database, and whether there is a record of it. */
  #applied = 0
  #hasRecord = false
  /** The last write in the batch being filled or written. */
  #included = 0
  /** Results other than plain success that the client may not have heard of. */
  readonly #results = new Map<number, number>()
  #clear: ClearProgress | undefined

  constructor(id: string, attempt: number) {
    this.id = id
    this.attempt = attempt
  }

  get applied(): number {
    return this.#applied
  }

  get hasRecord(): boolean {
    return this.#hasRecord
  }

  /** Sequence numbers and codes of the writes that did not plainly succeed. */
  get results(): [number, number][] {
    return [...this.#results]
  }

  resultOf(sequence: number): number {
    return this.#results.get(sequence) ?? RESULT.ok
  }

  /** How far the clear with that number had come when it was cut short. */
  clearProgress(sequence: number): ClearProgress | undefined {
    return this.#clear?.sequence === sequence ? this.#clear : undefined
  }

  /** Takes up what an earlier daemon left. */
  restore({ applied, results, clear }: SessionRecord): void {
    this.#applied = applied
    this.#included = applied
    this.#hasRecord = true
    this.#clear = clear
    for (const [sequence, code] of results) this.#results.set(sequence, code)
  }

  /** The client has the answers up to that number: their results need not be kept. */
  settle(settledThrough: number): void {
    // Results come in order, so those that may go are in front.
    for (const sequence of this.#results.keys()) {
      if (sequence > settledThrough) return
      this.#results.delete(sequence)
    }
  }

  include(sequence: number, result: number): void {
    this.#included = sequence
    this.#clear = undefined
    if (result !== RESULT.ok) this.#results.set(sequence, result)
  }

  includeClear(progress: ClearProgress): void {
    this.#clear = progress
  }

  fillRecord(batch: Batch): void {
    const record = encodeRecord({
      time: Date.now(),
      applied: this.#included,
      results: this.#results,
      clear: this.#clear
    })
    batch.put(recordKey(this.id), record)
  }

  onRecordCommitted(): void {
    this.#applied = this.#included
    this.#hasRecord = true
  }
}
