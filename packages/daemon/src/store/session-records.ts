// What survives of a session when the daemon dies: one record per session among the hidden keys,
// written in the same LevelDB batch as the session's writes, so that data and record agree.

import { randomBytes } from 'node:crypto'
import { LIMITS, TIMES } from '@partyd/shared'
import type { Batch, Database } from './database.js'
import { HIDDEN_PREFIX, HIDDEN_TAG } from './key-space.js'
import type { Write } from './write.js'

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

/** A session as far as its record goes. */
export interface RecordedSession {
  readonly id: string
  /** Whether there is a record of it in the database. */
  readonly hasRecord: boolean
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
  readonly #onUnreadable: (error: Error) => void
  #generation: string

  private constructor(
    database: Database,
    onUnreadable: (error: Error) => void,
    generation: string | undefined
  ) {
    this.isFresh = generation === undefined
    this.#database = database
    this.#onUnreadable = onUnreadable
    this.#generation = generation ?? ''
  }

  /**
   * Reads or makes the generation, and removes records that are too old to matter.
   * @param onUnreadable told when later ones could not be removed, because they could not be read.
   * @throws RangeError for a record of an unknown format.
   */
  static async open(
    database: Database,
    onUnreadable: (error: Error) => void
  ): Promise<SessionRecords> {
    const stored = await database.get(GENERATION_KEY, true)
    const records = new SessionRecords(database, onUnreadable, stored?.toString('hex'))
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
    return this.#createRemoval({
      findKeys: () => this.#database.findHiddenKeys(PREFIX),
      onCommitted
    })
  }

  /** A write that removes the record, if there is one by then, of a session whose client needs it no more. */
  createRemove(session: RecordedSession): Write {
    return this.#createRemoval({
      findKeys: async () => (session.hasRecord ? [recordKey(session.id)] : [])
    })
  }

  /** A write that removes the records of clients that have not been seen for long. */
  createRemoveExpired(isLive: (sessionId: string) => boolean, onCommitted: () => void): Write {
    return this.#createRemoval({
      findKeys: () => this.#findExpired(isLive),
      fillMore: (batch) => this.#replaceGeneration(batch),
      onCommitted
    })
  }

  #createRemoval(options: Omit<KeyRemovalOptions, 'onUnreadable'>): Write {
    return new KeyRemoval({ ...options, onUnreadable: this.#onUnreadable })
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

interface KeyRemovalOptions {
  findKeys(): Promise<Buffer[]>
  /** Adds what goes with a removal of at least one key. */
  readonly fillMore?: (batch: Batch) => void
  readonly onCommitted?: () => void
  onUnreadable(error: Error): void
}

/** Removes keys that are found when its turn comes. */
class KeyRemoval implements Write {
  readonly sync = false
  readonly operations = 1
  readonly bytes = 0
  readonly #options: KeyRemovalOptions
  #keys: Buffer[] = []

  constructor(options: KeyRemovalOptions) {
    this.#options = options
  }

  /** Keys that cannot be found stay: a corrupt block must not keep a daemon from ending well. */
  async prepare(): Promise<void> {
    try {
      this.#keys = await this.#options.findKeys()
    } catch (error) {
      this.#options.onUnreadable(error as Error)
    }
  }

  fill(batch: Batch): void {
    for (const key of this.#keys) batch.del(key)
    if (this.#keys.length > 0) this.#options.fillMore?.(batch)
  }

  onCommitted(): undefined {
    this.#options.onCommitted?.()
  }
}
