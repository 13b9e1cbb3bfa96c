// A write that rests on checks. Whether they hold is decided when its batch is about to be written,
// and is then part of its session's record: it is never decided again.

import { RESULT } from '@partyd/shared'
import type { Batch } from './database.js'
import type { RecordOwner, Write } from './write.js'
import { fillPairs, type Pairs, type SequencePlace, sumBytes } from './writes.js'

/** Told once, when the batch is in: whether the checks held, or why that could not be found out. */
export type OnDecided = (result: number, error: Error | undefined) => void

/** Puts and dels that happen together if all checks hold. */
export class AtomicWrite implements Write {
  /** Key, value, key, value, …; a missing value means that there must be no such key. */
  readonly checks: Pairs
  readonly sync: boolean
  readonly bytes: number
  readonly operations: number
  readonly #wanted: Pairs
  readonly #place: SequencePlace | undefined
  readonly #onDecided: OnDecided
  #decision: { readonly result: number; readonly error: Error | undefined } | undefined

  /** @param wanted what to put and delete, as in a plain write. */
  constructor(
    checks: Pairs,
    wanted: Pairs,
    sync: boolean,
    place: SequencePlace | undefined,
    onDecided: OnDecided
  ) {
    this.checks = checks
    this.#wanted = wanted
    this.sync = sync
    this.#place = place
    this.#onDecided = onDecided
    this.bytes = sumBytes(checks) + sumBytes(wanted)
    this.operations = (checks.length + wanted.length) / 2
  }

  get owner(): RecordOwner | undefined {
    return this.#place?.session
  }

  /** What it puts and deletes: undefined until it has been decided. */
  get pairs(): Pairs | undefined {
    if (this.#decision === undefined) return undefined
    return this.#decision.result === RESULT.ok ? this.#wanted : []
  }

  decide(result: number, error?: Error): void {
    this.#decision = { result, error }
  }

  fill(batch: Batch): void {
    fillPairs(batch, this.pairs ?? [])
    this.#place?.session.include(this.#place.sequence, this.#result)
  }

  onCommitted(): undefined {
    this.#onDecided(this.#result, this.#decision?.error)
  }

  get #result(): number {
    return this.#decision?.result ?? RESULT.checkFailed
  }
}
