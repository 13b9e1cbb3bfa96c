// Single reads. Cached ones are fastest on the spot; within a time budget per turn they are, and
// what is beyond it goes to the thread pool as one getMany.

import { type Bytes, LIMITS } from '@partyd/shared'
import type { AbstractSnapshot } from 'abstract-level'
import type { SlowOperations } from '../log/slow-operations.js'
import type { Database } from './database.js'

/** A read waiting for the thread pool. */
export interface QueuedRead {
  readonly key: Buffer
  readonly fillCache: boolean
  onValue(value: Bytes | undefined): void
  onError(error: Error): void
}

/** How long the event loop may be spent on reads per turn: a thousand cached ones, or a few of the disk's. */
const TURN_BUDGET_MS = 4
/** A read longer than this waited: for the disk, for the processor, or for the thread that writes. */
const SLOW_READ_MS = 1
/** Slow reads within so many of each other are usual, and not one that a compaction happened to meet. */
const SLOW_READS_APART = 32
/** After reads that came from the disk the next ones will too: so long the thread pool reads them. */
const SLOW_PAUSE_MS = 1000
/** How long after a read by key another one is likely: those who read one after another wait for each answer. */
const IN_USE_MS = 20
/** Keys of one getMany: enough to share its cost, few enough to spread over the pool's threads. */
const GROUP_KEYS = 64
/** Keys of a getMany that may be read on the spot: cached ones take less than the turn's budget. */
const KEYS_NOW_MAX = 256

export class ReadPath {
  readonly #database: Database
  readonly #slowOperations: SlowOperations
  #queue: QueuedRead[] = []
  #spentMs = 0
  #pausedUntil = 0
  #readsSinceSlow = SLOW_READS_APART
  /** Page faults and reads that went to the disk, at the last look. */
  #diskWaits = 0
  #turnScheduled = false
  /** The end of the last turn that had reads. */
  #lastReadAt = Number.NEGATIVE_INFINITY
  /** Bytes to expect of a value: rises at once with a large one and falls slowly. */
  #valueBytes = 16 * 1024

  constructor(database: Database, slowOperations: SlowOperations) {
    this.#database = database
    this.#slowOperations = slowOperations
    this.#hasTouchedDisk()
  }

  /** Whether `readNow` may be called: nothing older waits, and the turn has time left. */
  get mayReadNow(): boolean {
    return this.#queue.length === 0 && this.#spentMs < TURN_BUDGET_MS && this.isQuick
  }

  /** Whether what is read comes from memory, as far as can be told. */
  get isQuick(): boolean {
    return this.#pausedUntil === 0
  }

  /** Whether somebody has read by key a moment ago, and so may be about to read again. */
  get isInUse(): boolean {
    return performance.now() - this.#lastReadAt < IN_USE_MS
  }

  /** How many values may be read at a time without holding more than `bytes` of them. */
  countFor(bytes: number): number {
    return Math.max(1, Math.floor(bytes / this.#valueBytes))
  }

  /** Learns from a value that was read what to expect of the next. */
  weigh(value: Bytes | undefined): void {
    const bytes = value?.length ?? 0
    this.#valueBytes = Math.max(bytes, this.#valueBytes * 0.99, 256)
  }

  /** Reads on the spot. @throws LevelDB's error. */
  readNow(key: Buffer, fillCache: boolean): Bytes | undefined {
    const start = performance.now()
    try {
      const value = this.#database.getSync(key, fillCache)
      this.weigh(value)
      return value
    } finally {
      this.#account(performance.now() - start)
    }
  }

  /** Reads a few keys on the spot if that is best, and otherwise all in the thread pool. */
  async readMany(
    keys: Buffer[],
    fillCache: boolean,
    snapshot: AbstractSnapshot
  ): Promise<(Bytes | undefined)[]> {
    if (keys.length === 0) return []
    const values =
      this.mayReadNow && keys.length <= KEYS_NOW_MAX
        ? this.#readManyNow(keys, fillCache, snapshot)
        : await this.#database.getMany(keys, fillCache, snapshot)
    for (const value of values) this.weigh(value)
    return values
  }

  #readManyNow(
    keys: readonly Buffer[],
    fillCache: boolean,
    snapshot: AbstractSnapshot
  ): (Bytes | undefined)[] {
    const start = performance.now()
    try {
      return keys.map(this.#database.createReader(fillCache, snapshot))
    } finally {
      this.#account((performance.now() - start) / keys.length, keys.length)
    }
  }

  /** Reads in the thread pool, at the latest at the end of this turn. */
  enqueue(read: QueuedRead): void {
    this.#queue.push(read)
    this.#scheduleTurn()
  }

  /** Sends what waits to the thread pool: from here on these reads see the database as it is now. */
  dispatch(): void {
    if (this.#queue.length === 0) return
    const queue = this.#queue
    this.#queue = []
    for (const fillCache of [true, false]) {
      const reads = queue.filter((read) => read.fillCache === fillCache)
      const size = Math.min(GROUP_KEYS, this.countFor(LIMITS.readGroupBytes))
      for (let from = 0; from < reads.length; from += size) {
        void this.#readGroup(reads.slice(from, from + size), fillCache)
      }
    }
  }

  /** @param ms that one of `count` reads has taken. */
  #account(ms: number, count = 1): void {
    this.#spentMs += ms * count
    this.#readsSinceSlow += count
    if (ms > SLOW_READ_MS) this.#onSlow(ms * count, count)
    this.#scheduleTurn()
  }

  #onSlow(ms: number, count: number): void {
    const bytes = Math.round(this.#valueBytes)
    this.#slowOperations.note(ms, 'get', () => ({ count, bytes: count * bytes }))
    const isUsual = this.#readsSinceSlow < SLOW_READS_APART
    if (this.#hasTouchedDisk() && isUsual) this.#pausedUntil = performance.now() + SLOW_PAUSE_MS
    this.#readsSinceSlow = 0
  }

  /** Whether this process has waited for the disk since the last look; of a busy processor it knows nothing. */
  #hasTouchedDisk(): boolean {
    const { majorPageFault, fsRead } = process.resourceUsage()
    const before = this.#diskWaits
    this.#diskWaits = majorPageFault + fsRead
    return this.#diskWaits > before
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return
    this.#turnScheduled = true
    setImmediate(this.#endTurn)
  }

  readonly #endTurn = (): void => {
    this.#turnScheduled = false
    this.#spentMs = 0
    this.#lastReadAt = performance.now()
    if (this.#lastReadAt > this.#pausedUntil) this.#pausedUntil = 0
    this.dispatch()
  }

  async #readGroup(reads: readonly QueuedRead[], fillCache: boolean): Promise<void> {
    let values: (Buffer | undefined)[]
    try {
      const keys = reads.map((read) => read.key)
      values = await this.#database.getMany(keys, fillCache)
    } catch {
      // One corrupt block fails the whole getMany; only the read whose key it is shall suffer.
      for (const read of reads) void this.#readAlone(read)
      return
    }
    for (const [index, read] of reads.entries()) {
      this.weigh(values[index])
      read.onValue(values[index])
    }
  }

  async #readAlone(read: QueuedRead): Promise<void> {
    try {
      read.onValue(await this.#database.get(read.key, read.fillCache))
    } catch (error) {
      read.onError(error as Error)
    }
  }
}
