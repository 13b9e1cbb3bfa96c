// The kinds of writes that the commit queue carries: a list of puts and dels, and a clear.

import { type Bytes, LIMITS, PartyError, RESULT, rangeBehind } from '@partyd/shared'
import type { Batch, Database, Snapshot } from './database.js'
import type { DatabaseScan } from './database-scan.js'
import type { Range } from './key-space.js'
import { explainSnapshot } from './lost-snapshot.js'
import type { ClearProgress } from './session-records.js'
import { toBuffer } from './text-guess.js'
import type { RecordOwner, Write } from './write.js'

/** Told once, when the write is in the database, or when it could not be prepared. */
export type OnCommitted = (error?: Error) => void

/** Key, value, key, value, …; a missing value deletes the key. */
export type Pairs = readonly (Buffer | undefined)[]

/** The place of a write in its session's sequence. */
export interface SequencePlace {
  readonly session: SequencedSession
  readonly sequence: number
}

/** A session that counts its writes and remembers, in a record, how far they have come. */
export interface SequencedSession extends RecordOwner {
  /** The write is in the batch being filled. */
  include(sequence: number, result: number): void
  /** A part of a clear is in the batch being filled. */
  includeClear(progress: ClearProgress): void
}

/** Puts and dels that become visible together. */
export class DataWrite implements Write {
  readonly sync: boolean
  readonly bytes: number
  readonly pairs: Pairs
  readonly #place: SequencePlace | undefined
  readonly #result: number
  readonly #onCommitted: OnCommitted

  /** @param result other than `ok` for a write that was refused: then it has a place, but no pairs. */
  constructor(
    pairs: Pairs,
    sync: boolean,
    place: SequencePlace | undefined,
    result: number,
    onCommitted: OnCommitted
  ) {
    this.pairs = pairs
    this.sync = sync
    this.#place = place
    this.#result = result
    this.#onCommitted = onCommitted
    this.bytes = sumBytes(pairs)
  }

  get owner(): RecordOwner | undefined {
    return this.#place?.session
  }

  get operations(): number {
    return this.pairs.length / 2
  }

  fill(batch: Batch): void {
    fillPairs(batch, this.pairs)
    this.#place?.session.include(this.#place.sequence, this.#result)
  }

  onCommitted(): undefined {
    this.#onCommitted()
  }
}

export function sumBytes(pairs: Pairs): number {
  let bytes = 0
  for (const part of pairs) bytes += part?.length ?? 0
  return bytes
}

export function fillPairs(batch: Batch, pairs: Pairs): void {
  for (let index = 0; index < pairs.length; index += 2) {
    const key = pairs[index] as Buffer
    const value = pairs[index + 1]
    if (value === undefined) batch.del(key)
    else batch.put(key, value)
  }
}

/** Which keys a clear deletes. */
export interface ClearOptions {
  readonly range: Range
  readonly reverse: boolean
  /** How many at most. */
  readonly limit: number
  /** Whether each step waits for the disk. */
  readonly sync: boolean
  /** The snapshot whose keys to delete, instead of those that are there now. Throws when it is gone. */
  readonly findSnapshot?: (() => Snapshot) | undefined
}

/**
 * Deletes a range in bounded steps, each one atomic. Other sessions' writes go between the steps.
 * All steps read on one scan, and so delete the keys that were there before the first, or in the
 * snapshot: LevelDB says at the end of a scan only that it has left out what it could not read, and a
 * new scan backwards would first pass all that the steps before have deleted.
 */
export class ClearWrite implements Write {
  readonly sync: boolean
  readonly operations: number = LIMITS.clearKeysMax
  readonly bytes: number = LIMITS.clearBytesMax
  readonly #options: ClearOptions
  readonly #place: SequencePlace | undefined
  readonly #onCommitted: OnCommitted
  readonly #range: Range
  #scan: DatabaseScan | undefined
  #remaining: number
  /** Undefined between its steps. */
  #keys: readonly Bytes[] | undefined
  #status: 'clearing' | 'ended' | 'cancelled' = 'clearing'
  /** The last key deleted in an earlier step. */
  #cursor: Buffer | undefined
  #error: Error | undefined

  /** @param progress of the same clear, cut short by the end of a connection or of a daemon. */
  constructor(
    options: ClearOptions,
    place: SequencePlace | undefined,
    progress: ClearProgress | undefined,
    onCommitted: OnCommitted
  ) {
    const { range, reverse, limit } = options
    this.#options = options
    this.sync = options.sync
    this.#place = place
    this.#onCommitted = onCommitted
    this.#range = progress === undefined ? range : rangeBehind(range, progress.cursor, reverse)
    this.#remaining = progress?.remaining ?? limit
    this.#cursor = progress?.cursor
  }

  get owner(): RecordOwner | undefined {
    return this.#place?.session
  }

  get pairs(): Pairs | undefined {
    return this.#keys?.flatMap((key) => [toBuffer(key), undefined])
  }

  /** Ends it after the step under way; its record tells where to go on. */
  cancel(): void {
    if (this.#status === 'clearing') this.#status = 'cancelled'
  }

  async prepare(database: Database): Promise<void> {
    this.#keys = []
    if (this.#status === 'cancelled') return
    try {
      await this.#findKeys(database)
    } catch (error) {
      // An unreadable block is this clear's misfortune, not a failed write.
      this.#error = this.#explain(error as Error)
      this.#status = 'ended'
    }
  }

  async #findKeys(database: Database): Promise<void> {
    if (this.#remaining === 0) {
      this.#status = 'ended'
      return
    }
    this.#scan ??= this.#openScan(database)
    const wanted = Math.min(this.#remaining, LIMITS.clearKeysMax)
    const { entries, ended } = await this.#scan.step(wanted)
    this.#keys = entries.map(([key]) => key)
    this.#remaining -= entries.length
    if (ended || this.#remaining === 0) this.#status = 'ended'
  }

  #openScan(database: Database): DatabaseScan {
    return database.scan(
      {
        range: this.#range,
        reverse: this.#options.reverse,
        values: false,
        fillCache: false,
        stepBytes: LIMITS.clearBytesMax
      },
      this.#options.findSnapshot?.()
    )
  }

  fill(batch: Batch): void {
    for (const key of this.#keys ?? []) batch.del(key)
    if (this.#place === undefined) return
    const { session, sequence } = this.#place
    const cursor = this.#lastKey
    if (this.#isDone) {
      session.include(sequence, resultOf(this.#error))
    } else if (cursor !== undefined) {
      session.includeClear({ sequence, cursor, remaining: this.#remaining })
    }
  }

  onCommitted(): Write | undefined {
    const cursor = this.#lastKey
    this.#keys = undefined
    if (this.#isDone || this.#status === 'cancelled' || cursor === undefined) {
      void this.#scan?.close()
      this.#onCommitted(this.#error)
      return undefined
    }
    this.#cursor = cursor
    return this
  }

  /** The last key that the step deletes. */
  get #lastKey(): Buffer | undefined {
    const last = this.#keys?.at(-1)
    return last === undefined ? undefined : toBuffer(last)
  }

  /** Without its snapshot it cannot go on. Whoever asked for it should know where it ended. */
  #explain(cause: Error): Error {
    const error = explainSnapshot(cause) as PartyError
    if (error.code !== 'PARTYD_SNAPSHOT_LOST') return error
    const count = this.#options.limit - this.#remaining
    const progress =
      this.#cursor === undefined
        ? 'It has deleted nothing.'
        : `It has deleted ${count} keys, the last one 0x${this.#cursor.subarray(0, 256).toString('hex')}.`
    const message = `clear() cannot go on: its snapshot went with the daemon or the connection that held it. ${progress} Read what is left before repeating it.`
    return new PartyError('PARTYD_SNAPSHOT_LOST', message, { cause })
  }

  get #isDone(): boolean {
    return this.#status === 'ended'
  }
}

function resultOf(error: Error | undefined): number {
  if (error === undefined) return RESULT.ok
  const { code } = error as PartyError
  return code === 'PARTYD_SNAPSHOT_LOST' ? RESULT.snapshotLost : RESULT.readFailed
}
