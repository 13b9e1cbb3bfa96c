// The only file that knows classic-level. Keys and values are bytes here; errors are LevelDB's own.

import type { DatabaseOptions } from '@partyd/shared'
import type { AbstractChainedBatch, AbstractIterator, AbstractSnapshot } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import { boundRange, boundSeek, HIDDEN_PREFIX, HIDDEN_TAG, type Range } from './key-space.js'

/** How to scan a range. */
export interface ScanOptions {
  readonly range: Range
  readonly reverse: boolean
  readonly keys: boolean
  readonly values: boolean
  readonly fillCache: boolean
  /** A step ends once it has read more bytes than this. */
  readonly stepBytes: number
  /** To read from, instead of from what is there now. */
  readonly snapshot?: Snapshot | undefined
}

type ClassicDatabase = ClassicLevel<Buffer, Buffer>

/** What was there at one moment. To be closed. */
export type Snapshot = AbstractSnapshot

/** One LevelDB batch. */
export type Batch = AbstractChainedBatch<ClassicDatabase, Buffer, Buffer>

const BUFFERS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const NO_FILL = { ...BUFFERS, fillCache: false } as const

/** An open LevelDB. */
export class Database {
  readonly #level: ClassicDatabase
  /** The compactions that were asked for, one after the other. */
  #compaction: Promise<void> = Promise.resolve()

  private constructor(level: ClassicDatabase) {
    this.#level = level
  }

  /** @throws LevelDB's error, with `LEVEL_LOCKED`, `LEVEL_CORRUPTION`, `LEVEL_IO_ERROR` or no code. */
  static async open(location: string, options: DatabaseOptions): Promise<Database> {
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

  /** Puts together what can still be read. LevelDB does not take its lock for that. @throws LevelDB's error. */
  static repair(location: string): Promise<void> {
    return ClassicLevel.repair(location)
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  getSync(key: Buffer, fillCache: boolean): Buffer | undefined {
    return fillCache ? this.#level.getSync(key) : this.#level.getSync(key, NO_FILL)
  }

  /** @param snapshot to read from, here and below, instead of from what is there now. */
  get(key: Buffer, fillCache: boolean, snapshot?: Snapshot): Promise<Buffer | undefined> {
    if (snapshot !== undefined) return this.#level.get(key, { ...BUFFERS, fillCache, snapshot })
    return fillCache ? this.#level.get(key) : this.#level.get(key, NO_FILL)
  }

  getMany(
    keys: Buffer[],
    fillCache: boolean,
    snapshot?: Snapshot
  ): Promise<(Buffer | undefined)[]> {
    if (snapshot !== undefined) {
      return this.#level.getMany(keys, { ...BUFFERS, fillCache, snapshot })
    }
    return fillCache ? this.#level.getMany(keys) : this.#level.getMany(keys, NO_FILL)
  }

  /** What is there now, for later reads. */
  snapshot(): Snapshot {
    return this.#level.snapshot()
  }

  has(key: Buffer, fillCache: boolean, snapshot?: Snapshot): Promise<boolean> {
    return this.#level.has(key, { keyEncoding: 'buffer', fillCache, snapshot })
  }

  hasMany(keys: Buffer[], fillCache: boolean, snapshot?: Snapshot): Promise<boolean[]> {
    return this.#level.hasMany(keys, { keyEncoding: 'buffer', fillCache, snapshot })
  }

  /** Without a snapshot to read from, the iterator's own is taken here and now. */
  scan(options: ScanOptions): DatabaseScan {
    return new DatabaseScan(
      this.#level.iterator({
        ...boundRange(options.range),
        ...BUFFERS,
        reverse: options.reverse,
        keys: options.keys,
        values: options.values,
        fillCache: options.fillCache,
        highWaterMarkBytes: options.stepBytes,
        snapshot: options.snapshot
      }),
      options
    )
  }

  /** Bytes on disk, roughly. */
  approximateSize(start: Buffer, end: Buffer): Promise<number> {
    return this.#level.approximateSize(start, end)
  }

  /** One at a time: each keeps a thread of the pool from the reads for as long as it takes. */
  compactRange(start: Buffer, end: Buffer): Promise<void> {
    const compaction = this.#compaction.then(() => this.#level.compactRange(start, end))
    this.#compaction = compaction.catch(() => {}) // Whoever asked for it hears of the error.
    return compaction
  }

  getProperty(property: string): string {
    return this.#level.getProperty(property)
  }

  batch(): Batch {
    return this.#level.batch()
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

/** The first key behind all keys that start with `prefix`, whose last byte is not 0xFF. */
function behind(prefix: Buffer): Buffer {
  const key = Buffer.from(prefix)
  key[key.length - 1] = (prefix.at(-1) as number) + 1
  return key
}

/** What one step of a scan has read. */
export interface ScanStep {
  readonly entries: [Buffer, Buffer][]
  /** Bytes of the keys and values asked for. */
  readonly bytes: number
  readonly ended: boolean
}

/** A LevelDB iterator read step by step. */
export class DatabaseScan {
  readonly #iterator: AbstractIterator<ClassicDatabase, Buffer, Buffer>
  readonly #options: ScanOptions

  constructor(iterator: AbstractIterator<ClassicDatabase, Buffer, Buffer>, options: ScanOptions) {
    this.#iterator = iterator
    this.#options = options
  }

  async step(entriesMax: number): Promise<ScanStep> {
    const { keys, values, stepBytes } = this.#options
    const entries = await this.#iterator.nextv(entriesMax)
    let bytes = 0
    for (const [key, value] of entries) {
      if (keys) bytes += key.length
      if (values) bytes += value.length
    }
    // classic-level stops for its size, for its byte budget, or because there is no more.
    return { entries, bytes, ended: entries.length < entriesMax && bytes <= stepBytes }
  }

  seek(target: Buffer): void {
    this.#iterator.seek(boundSeek(target, this.#options.range))
  }

  close(): Promise<void> {
    return this.#iterator.close()
  }
}
