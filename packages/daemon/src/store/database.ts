// The only file that knows classic-level. Errors are LevelDB's own. Keys and values are bytes, but for
// those read that are text and are given as such, because that is faster: see text-guess.ts.

import { type Bytes, type DatabaseOptions, hasLostCurrent, LevelError } from '@partyd/shared'
import type { AbstractChainedBatch, AbstractSnapshot } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import type { SlowOperations } from '../log/slow-operations.js'
import {
  DatabaseScan,
  type OpenSource,
  type ScanOptions,
  type ScanSource
} from './database-scan.js'
import { boundRange, HIDDEN_PREFIX, HIDDEN_TAG, type Range } from './key-space.js'
import { isLong, isPlainText, TextGuess } from './text-guess.js'

/** What an implementation of abstract-level has behind the checks, which cost up to a third of a short read. */
interface Unchecked {
  _getSync(key: Buffer, options: ReadOptions): Bytes | undefined
}

interface UncheckedBatch {
  _put(key: Bytes, value: Bytes): void
  _del(key: Bytes): void
  _write(options: { sync: boolean }): Promise<void>
}

interface ReadOptions {
  readonly keyEncoding: 'buffer'
  readonly valueEncoding: 'utf8' | 'buffer'
  readonly fillCache: boolean
  readonly snapshot?: AbstractSnapshot | undefined
}

/** Reads a key on the spot. @throws LevelDB's error. */
export type ReadSync = (key: Buffer) => Bytes | undefined

type ClassicDatabase = ClassicLevel<Buffer, Buffer>

/** What was there at one moment. To be closed. */
export type Snapshot = AbstractSnapshot

const BUFFERS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const same = (data: Bytes): Bytes => data
/** Gives strings, as `utf8` does, but takes bounds that are bytes: as strings they might be others. */
const TEXT = { name: 'partyd-text', format: 'utf8', encode: same, decode: same } as const

/** One LevelDB batch. */
export class Batch {
  readonly #batch: AbstractChainedBatch<ClassicDatabase, Buffer, Buffer>
  readonly #unchecked: UncheckedBatch
  readonly #onLong: () => void

  /** @param onLong told of each value that is better not read as text. */
  constructor(batch: AbstractChainedBatch<ClassicDatabase, Buffer, Buffer>, onLong: () => void) {
    this.#batch = batch
    this.#onLong = onLong
    this.#unchecked = batch as unknown as UncheckedBatch
  }

  put(key: Bytes, value: Bytes): void {
    this.#unchecked._put(key, value)
    if (isLong(value)) this.#onLong()
  }

  del(key: Bytes): void {
    this.#unchecked._del(key)
  }

  /** @param sync whether to wait until it is on the disk. */
  async write(sync: boolean): Promise<void> {
    try {
      await this.#unchecked._write({ sync })
    } finally {
      await this.#batch.close()
    }
  }
}

/** An open LevelDB. */
export class Database {
  readonly #level: ClassicDatabase
  readonly #unchecked: Unchecked
  /** Whether values read by key, and entries of scans, are text. */
  readonly #valueGuess = new TextGuess(false)
  readonly #scanGuess = new TextGuess(true)
  readonly #onLong = (): void => {
    this.#valueGuess.onBytes()
    this.#scanGuess.onBytes()
  }
  /** Told of what takes long, once there is somebody to tell. */
  slowOperations: SlowOperations | undefined
  readonly #readNow: ReadSync
  readonly #readUncached: ReadSync
  /** The compactions that were asked for, one after the other. */
  #compaction: Promise<void> = Promise.resolve()

  private constructor(level: ClassicDatabase) {
    this.#level = level
    this.#unchecked = level as unknown as Unchecked
    this.#readNow = this.createReader(true)
    this.#readUncached = this.createReader(false)
  }

  /** @throws LevelDB's error, with `LEVEL_LOCKED`, `LEVEL_CORRUPTION`, `LEVEL_IO_ERROR` or no code. */
  static async open(location: string, options: DatabaseOptions): Promise<Database> {
    if (hasLostCurrent(location)) throw lostCurrentError(location)
    const { sync, ...open } = options // LevelDB knows it of batches only.
    const level: ClassicDatabase = new ClassicLevel(location, { ...open, ...BUFFERS })
    try {
      await level.open()
    } catch (error) {
      // abstract-level wraps the reason; whoever started us wants the reason.
      throw (error as Error).cause ?? error
    }
    return new Database(level)
  }

  /**
   * Removes LevelDB's files, and the directory if nothing else is in it.
   * @throws LevelDB's error, also when somebody holds the lock.
   */
  static destroy(location: string): Promise<void> {
    return ClassicLevel.destroy(location)
  }

  /** Whether somebody holds the lock. LevelDB takes it first of all, whatever is wrong with the database. */
  static async isLocked(location: string): Promise<boolean> {
    const level = new ClassicLevel(location, { createIfMissing: false })
    try {
      await level.open()
      await level.close()
      return false
    } catch (error) {
      const { code } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
      return code === 'LEVEL_LOCKED'
    }
  }

  /** Puts together what can still be read. LevelDB does not take its lock for that. @throws LevelDB's error. */
  static repair(location: string): Promise<void> {
    return ClassicLevel.repair(location)
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  /** Reads on the spot, from what is there now. */
  getSync(key: Buffer, fillCache: boolean): Bytes | undefined {
    return fillCache ? this.#readNow(key) : this.#readUncached(key)
  }

  /**
   * A function that reads on the spot, as often as it is called.
   * @param snapshot to read from, instead of from what is there then.
   */
  createReader(fillCache: boolean, snapshot?: AbstractSnapshot): ReadSync {
    // Made once: two objects for each of many keys were a tenth of the time that reading them took.
    const asBytes: ReadOptions = { ...BUFFERS, fillCache, snapshot }
    const asText: ReadOptions = { ...asBytes, valueEncoding: 'utf8' }
    return (key) => {
      const text = this.#valueGuess.guess() ? this.#readText(key, asText) : null
      if (text !== null) return text
      const value = this.#readBytes(key, asBytes)
      if (isLong(value)) this.#onLong()
      return value
    }
  }

  #readBytes(key: Buffer, options: ReadOptions): Buffer | undefined {
    try {
      return this.#unchecked._getSync(key, options) as Buffer | undefined
    } catch (error) {
      throw Object.assign(error as Error, { code: codeOf(error as NodeJS.ErrnoException) })
    }
  }

  /** @returns undefined if there is no such key, null if its value is not text or cannot be read as such. */
  #readText(key: Buffer, options: ReadOptions): string | undefined | null {
    try {
      const text = this.#unchecked._getSync(key, options) as string | undefined
      if (text === undefined || isPlainText(text)) return text
    } catch {
      // A string has a longest length. If it is anything else, reading the bytes will tell.
    }
    this.#valueGuess.onBytes()
    return null
  }

  /** @param snapshot to read from, here and below, instead of from what is there now. */
  get(key: Buffer, fillCache: boolean, snapshot?: Snapshot): Promise<Buffer | undefined> {
    return this.#level.get(key, { ...BUFFERS, fillCache, ...(snapshot && { snapshot }) })
  }

  async getMany(
    keys: Buffer[],
    fillCache: boolean,
    snapshot?: Snapshot
  ): Promise<(Buffer | undefined)[]> {
    const startedAt = performance.now()
    const options = { ...BUFFERS, fillCache, ...(snapshot && { snapshot }) }
    const values = await this.#level.getMany(keys, options)
    this.slowOperations?.noteSince(startedAt, 'getMany', () => {
      return { count: keys.length, bytes: lengthOf(keys) + lengthOf(values) }
    })
    return values
  }

  /** What is there now, for later reads. */
  snapshot(): Snapshot {
    return this.#level.snapshot()
  }

  has(key: Buffer, fillCache: boolean, snapshot?: Snapshot): Promise<boolean> {
    return this.#level.has(key, { keyEncoding: 'buffer', fillCache, snapshot })
  }

  async hasMany(keys: Buffer[], fillCache: boolean, snapshot?: Snapshot): Promise<boolean[]> {
    const startedAt = performance.now()
    const options = { keyEncoding: 'buffer', fillCache, snapshot } as const
    const present = await this.#level.hasMany(keys, options)
    this.slowOperations?.noteSince(startedAt, 'hasMany', () => {
      return { count: keys.length, bytes: lengthOf(keys) }
    })
    return present
  }

  /**
   * All that it finds is as it is in the snapshot, or without one as it is here and now, also if it
   * is read on another iterator in the end.
   */
  scan(options: ScanOptions, given?: Snapshot): DatabaseScan {
    const snapshot = given ?? this.#level.snapshot()
    const open: OpenSource = (range, format) => this.#openSource(range, format, options, snapshot)
    const onClose = given === undefined ? () => snapshot.close() : () => {}
    return new DatabaseScan(options, open, this.#scanGuess, onClose, this.slowOperations)
  }

  #openSource(
    range: Range,
    format: 'utf8' | 'buffer',
    { reverse, values, fillCache, stepBytes }: ScanOptions,
    snapshot: AbstractSnapshot
  ): ScanSource {
    const options = {
      ...boundRange(range),
      snapshot,
      reverse,
      values,
      fillCache,
      highWaterMarkBytes: stepBytes
    }
    const encoding = format === 'utf8' ? TEXT : 'buffer'
    return this.#level.iterator<Bytes, Bytes>({
      ...options,
      keyEncoding: encoding,
      valueEncoding: encoding
    })
  }

  /** Bytes on disk, roughly. */
  approximateSize(start: Buffer, end: Buffer): Promise<number> {
    return this.#level.approximateSize(start, end)
  }

  /** One at a time: each keeps a thread of the pool from the reads for as long as it takes. */
  compactRange(start: Buffer, end: Buffer): Promise<void> {
    const compaction = this.#compaction.then(() => this.#compact(start, end))
    this.#compaction = compaction.catch(() => {}) // Whoever asked for it hears of the error.
    return compaction
  }

  async #compact(start: Buffer, end: Buffer): Promise<void> {
    const startedAt = performance.now()
    await this.#level.compactRange(start, end)
    this.slowOperations?.noteSince(startedAt, 'compactRange', () => ({ count: 1, bytes: 0 }))
  }

  getProperty(property: string): string {
    return this.#level.getProperty(property)
  }

  batch(): Batch {
    return new Batch(this.#level.batch(), this.#onLong)
  }

  /** Partyd's own entries under a prefix: few, so they are read at once. */
  findHiddenEntries(prefix: Buffer): Promise<[Buffer, Buffer][]> {
    return this.#level.iterator({ ...BUFFERS, gte: prefix, lt: behind(prefix) }).all()
  }

  findHiddenKeys(prefix: Buffer): Promise<Buffer[]> {
    return this.#level.keys({ keyEncoding: 'buffer', gte: prefix, lt: behind(prefix) }).all()
  }

  /** The first key in the hidden range that partyd did not write, if any. */
  async findForeignHiddenKey(): Promise<Buffer | undefined> {
    const tagged = Buffer.concat([HIDDEN_PREFIX, HIDDEN_TAG])
    for (const range of [{ gte: HIDDEN_PREFIX, lt: tagged }, { gte: behind(tagged) }]) {
      const [key] = await this.#level.keys({ ...range, keyEncoding: 'buffer', limit: 1 }).all()
      if (key !== undefined) return key
    }
    return undefined
  }
}

function lostCurrentError(location: string): LevelError {
  const message =
    'it has tables or logs, but not the file CURRENT that says which of them count. Copy the directory before anything else, then have it repaired'
  return new LevelError('LEVEL_CORRUPTION', message, { path: location })
}

/** classic-level gives the errors of getSync no code, and those of all other reads one by what LevelDB says. */
function codeOf({ code, message }: NodeJS.ErrnoException): string | undefined {
  if (message.startsWith('IO error')) return 'LEVEL_IO_ERROR'
  return message.startsWith('Corruption') ? 'LEVEL_CORRUPTION' : code
}

function lengthOf(list: readonly (Buffer | undefined)[]): number {
  return list.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0)
}

/** The first key behind all keys that start with `prefix`, whose last byte is not 0xFF. */
function behind(prefix: Buffer): Buffer {
  const key = Buffer.from(prefix)
  key[key.length - 1] = (prefix.at(-1) as number) + 1
  return key
}
