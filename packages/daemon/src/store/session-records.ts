// What survives of a session when the daemon dies: one record per session among the hidden keys,
// written in the same LevelDB batch as the session's writes, so that data and record agree.

import { randomBytes } from 'node:crypto'
import { LIMITS, TIMES } from '@partyd/shared'
import type { Write } from './commit-queue.js'
import type { Batch, Database } from './database.js'
import { HIDDEN_PREFIX, HIDDEN_TAG } from './key-space.js'

/** How far a clear has come that needs more than one batch. */
export interface ClearProgress {
  readonly sequence: number
  /** The last key deleted. */
  readonly cursor: Buffer
  /** How many more keys it may delete. */
  readonly remaining: number
}

export interface SessionRecord {
  /** When its batch was written, in milliseconds since 1970. */
  readonly time: number
  /** The last write that is in the database. */
  readonly applied: number
  /** Results other than plain success of writes whose answer the client may not have. */
  readonly results: ReadonlyMap<number, number>
  readonly clear: ClearProgress | undefined
}

const FORMAT = 1
const PREFIX = Buffer.concat([HIDDEN_PREFIX, HIDDEN_TAG])
const RECORD_PREFIX = Buffer.concat([PREFIX, Buffer.from('s')])
const GENERATION_KEY = Buffer.concat([PREFIX, Buffer.from('g')])

/** @param sessionId 32 hexadecimal digits. */
export function recordKey(sessionId: string): Buffer {
  return Buffer.concat([RECORD_PREFIX, Buffer.from(sessionId, 'hex')])
}

/** Format byte, time, applied, count of results, results, and the clear in progress if there is one. */
export function encodeRecord({ time, applied, results, clear }: SessionRecord): Buffer {
  const record = Buffer.allocUnsafe(21 + results.size * 9 + (clear ? 16 + clear.cursor.length : 0))
  record[0] = FORMAT
  let at = record.writeDoubleLE(time, 1)
  at = record.writeDoubleLE(applied, at)
  at = record.writeUInt32LE(results.size, at)
  for (const [sequence, code] of results) {
    at = record.writeDoubleLE(sequence, at)
    record[at++] = code
  }
  if (clear !== undefined) {
    at = record.writeDoubleLE(clear.sequence, at)
    at = record.writeDoubleLE(clear.remaining, at)
    clear.cursor.copy(record, at)
  }
  return record
}

/** @throws RangeError when the record is of a format this code does not know. */
export function decodeRecord(record: Buffer): SessionRecord {
  if (record[0] !== FORMAT) {
    throw new RangeError(`A session record has the unknown format ${record[0]}`)
  }
  const results = new Map<number, number>()
  const count = record.readUInt32LE(17)
  let at = 21
  for (let index = 0; index < count; index++, at += 9) {
    results.set(record.readDoubleLE(at), record.readUInt8(at + 8))
  }
  const clear =
    at === record.length
      ? undefined
      : {
          sequence: record.readDoubleLE(at),
          remaining: record.readDoubleLE(at + 8),
          cursor: Buffer.from(record.subarray(at + 16))
        }
  return { time: record.readDoubleLE(1), applied: record.readDoubleLE(9), results, clear }
}

/** The records of a database, and the generation they belong to. */
export class SessionRecords {
  /** Whether there was no generation before: then nobody has a record here, or remembers one. */
  readonly isFresh: boolean
  readonly #database: Database
  #generation: string

  private constructor(database: Database, generation: string | undefined) {
    this.isFresh = generation === undefined
    this.#database = database
    this.#generation = generation ?? ''
  }

  /**
   * Reads or makes the generation, and removes records that are too old to matter.
   * @throws RangeError for a record of an unknown format.
   */
  static async open(database: Database): Promise<SessionRecords> {
    const stored = await database.get(GENERATION_KEY, true)
    const records = new SessionRecords(database, stored?.toString('hex'))
    const expired = await records.#findExpired(() => false)
    if (stored === undefined || expired.length > 0) {
      const batch = database.batch()
      records.#replaceGeneration(batch)
      for (const key of expired) batch.del(key)
      await batch.write(false)
    }
    return records
  }

  /**
   * Random, and another one whenever a record has been removed without its client's goodbye: a
   * client that finds no record can tell whether there can have been one.
   */
  get generation(): string {
    return this.#generation
  }

  async find(sessionId: string): Promise<SessionRecord | undefined> {
    const record = await this.#database.get(recordKey(sessionId), true)
    return record === undefined ? undefined : decodeRecord(record)
  }

  /** A write that leaves no trace of partyd in the database: for a clean stop. */
  createRemoveAll(onCommitted: () => void): Write {
    const findKeys = (): Promise<Buffer[]> => this.#database.findHiddenKeys(PREFIX)
    return new KeyRemoval(findKeys, () => {}, onCommitted)
  }

  /** A write that removes the record of a session whose client needs it no more. */
  createRemove(sessionId: string): Write {
    const findKeys = async (): Promise<Buffer[]> => [recordKey(sessionId)]
    return new KeyRemoval(
      findKeys,
      () => {},
      () => {}
    )
  }

  /** A write that removes the records of clients that have not been seen for long. */
  createRemoveExpired(isLive: (sessionId: string) => boolean, onCommitted: () => void): Write {
    return new KeyRemoval(
      () => this.#findExpired(isLive),
      (batch) => this.#replaceGeneration(batch),
      onCommitted
    )
  }

  /** Keys of records older than a day, and of the oldest ones beyond the number to keep. */
  async #findExpired(isLive: (sessionId: string) => boolean): Promise<Buffer[]> {
    const horizon = Date.now() - TIMES.recordKept
    const kept: { key: Buffer; time: number }[] = []
    const expired: Buffer[] = []
    for (const [key, value] of await this.#database.findHiddenEntries(RECORD_PREFIX)) {
      const { time } = decodeRecord(value)
      if (isLive(key.subarray(RECORD_PREFIX.length).toString('hex'))) continue
      if (time < horizon) expired.push(key)
      else kept.push({ key, time })
    }
    const surplus = kept.length - LIMITS.recordsMax
    if (surplus > 0) {
      kept.sort((left, right) => left.time - right.time)
      for (const { key } of kept.slice(0, surplus)) expired.push(key)
    }
    return expired
  }

  #replaceGeneration(batch: Batch): void {
    const generation = randomBytes(16)
    this.#generation = generation.toString('hex')
    batch.put(GENERATION_KEY, generation)
  }
}

/** Removes keys that are found when its turn comes. */
class KeyRemoval implements Write {
  readonly sync = false
  readonly operations = 1
  readonly bytes = 0
  readonly #findKeys: () => Promise<Buffer[]>
  readonly #fillMore: (batch: Batch) => void
  readonly #onCommitted: () => void
  #keys: Buffer[] = []

  constructor(
    findKeys: () => Promise<Buffer[]>,
    fillMore: (batch: Batch) => void,
    onCommitted: () => void
  ) {
    this.#findKeys = findKeys
    this.#fillMore = fillMore
    this.#onCommitted = onCommitted
  }

  async prepare(): Promise<void> {
    this.#keys = await this.#findKeys()
  }

  fill(batch: Batch): void {
    for (const key of this.#keys) batch.del(key)
    if (this.#keys.length > 0) this.#fillMore(batch)
  }

  onCommitted(): undefined {
    this.#onCommitted()
  }
}
