// The kinds of writes that the commit queue carries: a list of puts and dels, and a clear.

import { LIMITS } from '@partyd/shared'
import type { Write } from './commit-queue.js'
import type { Batch, Database } from './database.js'
import type { Range } from './key-space.js'

/** Told once, when the write is in the database, or when it could not be prepared. */
export type OnCommitted = (error?: Error) => void

/** Puts and dels that become visible together. */
export class DataWrite implements Write {
  readonly sync: boolean
  readonly bytes: number
  /** Key, value, key, value, …; a missing value deletes the key. */
  readonly #pairs: readonly (Buffer | undefined)[]
  readonly #onCommitted: OnCommitted

  constructor(pairs: readonly (Buffer | undefined)[], sync: boolean, onCommitted: OnCommitted) {
    this.#pairs = pairs
    this.sync = sync
    this.#onCommitted = onCommitted
    let bytes = 0
    for (const part of pairs) bytes += part?.length ?? 0
    this.bytes = bytes
  }

  get operations(): number {
    return this.#pairs.length / 2
  }

  fill(batch: Batch): void {
    const pairs = this.#pairs
    for (let index = 0; index < pairs.length; index += 2) {
      const key = pairs[index] as Buffer
      const value = pairs[index + 1]
      if (value === undefined) batch.del(key)
      else batch.put(key, value)
    }
  }

  onCommitted(): undefined {
    this.#onCommitted()
  }
}

/** Which keys a clear deletes. */
export interface ClearOptions {
  readonly range: Range
  readonly reverse: boolean
  /** How many at most. */
  readonly limit: number
}

/**
 * Deletes a range in bounded steps, each one atomic. Other sessions' writes go between the steps.
 * A step deletes the keys that were there when its batch was about to be written.
 */
export class ClearWrite implements Write {
  readonly sync = false
  readonly operations: number = LIMITS.clearKeysMax
  readonly bytes: number = LIMITS.clearBytesMax
  readonly #reverse: boolean
  readonly #onCommitted: OnCommitted
  #range: Range
  #remaining: number
  #keys: Buffer[] = []
  #status: 'clearing' | 'ended' = 'clearing'
  #error: Error | undefined

  constructor(options: ClearOptions, onCommitted: OnCommitted) {
    this.#range = options.range
    this.#reverse = options.reverse
    this.#remaining = options.limit
    this.#onCommitted = onCommitted
  }

  async prepare(database: Database): Promise<void> {
    this.#keys = []
    try {
      await this.#findKeys(database)
    } catch (error) {
      // An unreadable block is this clear's misfortune, not a failed write.
      this.#error = error as Error
      this.#status = 'ended'
    }
  }

  async #findKeys(database: Database): Promise<void> {
    if (this.#remaining === 0) {
      this.#status = 'ended'
      return
    }
    const scan = database.scan({
      range: this.#range,
      reverse: this.#reverse,
      keys: true,
      values: false,
      fillCache: false,
      stepBytes: LIMITS.clearBytesMax
    })
    try {
      const wanted = Math.min(this.#remaining, LIMITS.clearKeysMax)
      const { entries, ended } = await scan.step(wanted)
      this.#keys = entries.map(([key]) => key)
      this.#remaining -= this.#keys.length
      if (ended || this.#remaining === 0) this.#status = 'ended'
    } finally {
      await scan.close()
    }
  }

  fill(batch: Batch): void {
    for (const key of this.#keys) batch.del(key)
  }

  onCommitted(): Write | undefined {
    const last = this.#keys.at(-1)
    if (this.#status === 'ended' || last === undefined) {
      this.#onCommitted(this.#error)
      return undefined
    }
    this.#range = continueBehind(last, this.#range, this.#reverse)
    return this
  }
}

/** What is left of a range once everything up to and including `last` is done. */
function continueBehind(last: Buffer, range: Range, reverse: boolean): Range {
  if (reverse) {
    const { lte, ...rest } = range
    return { ...rest, lt: last }
  }
  const { gte, ...rest } = range
  return { ...rest, gt: last }
}
