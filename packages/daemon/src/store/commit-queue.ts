// The one ordered queue that every write of every session passes. What gathers while a LevelDB
// batch is being written goes into the next one, so that all sessions share its cost.

import { type Bytes, LIMITS } from '@partyd/shared'
import type { Extent, SlowOperations } from '../log/slow-operations.js'
import type { Batch, Database } from './database.js'
import type { ForeseenRead } from './foreseen-read.js'
import type { RecordOwner, Write } from './write.js'
import { WriteGroup } from './write-group.js'

/** What the queue needs from the rest of the engine. */
export interface CommitQueueOwner {
  readonly slowOperations: SlowOperations
  /** Reads issued before the next batch must be on their way before it is written. */
  beforeBatch(): void
  /** Finds out for each write of the batch that rests on checks whether they hold. */
  decide(group: readonly Write[]): Promise<void>
  /** The batch is in the database, and nobody has been told. */
  afterBatch(group: readonly Write[]): void
  /** LevelDB failed to write a batch. Nothing of it has been answered, and nothing will be written any more. */
  onWriteFailed(error: Error): void
}

/** Group commit. */
export class CommitQueue {
  readonly #database: Database
  readonly #owner: CommitQueueOwner
  #waiting = new WriteGroup()
  /** When the first of those that wait had come. */
  #waitingSince = 0
  /** Being written. */
  #current = new WriteGroup()
  #status: 'idle' | 'writing' | 'failed' | 'ended' = 'idle'

  constructor(database: Database, owner: CommitQueueOwner) {
    this.#database = database
    this.#owner = owner
  }

  enqueue(write: Write): void {
    this.#wait(write)
    if (this.#status !== 'idle') return
    this.#status = 'writing'
    // Behind the reads of this turn's sockets: whatever came in on any of them joins the first batch.
    setImmediate(this.#run)
  }

  /** Writes nothing behind the batch under way: the database is about to be closed. */
  end(): void {
    this.#status = 'ended'
  }

  #wait(write: Write): void {
    if (this.#waiting.writes.length === 0) this.#waitingSince = performance.now()
    this.#waiting.push(write)
  }

  /** Where the next write will be, unless the batch gets too large. */
  get waiting(): WriteGroup {
    return this.#waiting
  }

  /** Whether it is known what the writes in the queue will do. */
  get isForeseeable(): boolean {
    return this.#current.isForeseeable && this.#waiting.isForeseeable
  }

  /**
   * Finds out what a key's value will be when the writes in the queue are in the database, and has
   * the read told when those that matter to it are: `after` is the group of the reader's own last one.
   * @param readNow reads what is in the database, where no write in the queue touches the key.
   */
  foresee(read: ForeseenRead, after: WriteGroup, readNow: () => Bytes | undefined): void {
    const key = read.key.toString('latin1')
    const waiting = this.#waiting.foresee(key)
    const value = waiting === undefined ? this.#current.foresee(key) : waiting
    read.value = value === undefined ? readNow() : (value ?? undefined)
    // Told no earlier than the write that the value comes from is in, and the reader's own writes are.
    const isSoon = waiting === undefined && after === this.#current
    if (isSoon) this.#current.push(read)
    else this.#waiting.push(read)
  }

  readonly #run = async (): Promise<void> => {
    while (this.#waiting.writes.length > 0 && this.#status === 'writing') {
      this.#current = this.#takeGroup()
      const { writes } = this.#current
      this.#owner.slowOperations.noteSince(this.#waitingSince, 'queue', extentOf(writes))
      if (!(await this.#writeBatch(writes))) return
    }
    this.#current = new WriteGroup()
    if (this.#status === 'writing') this.#status = 'idle'
  }

  /** @returns whether there may be another batch. */
  async #writeBatch(group: readonly Write[]): Promise<boolean> {
    if (!this.#current.isForeseeable) await this.#prepare(group)
    this.#owner.beforeBatch()
    if (group.some(isWriting) && !(await this.#write(group))) return false
    for (const write of group) {
      const rest = write.onCommitted()
      if (rest !== undefined) this.#wait(rest)
    }
    return true
  }

  /** Some of these have to look at the database before it is known what they will do. */
  async #prepare(group: readonly Write[]): Promise<void> {
    const startedAt = performance.now()
    for (const write of group) await write.prepare?.(this.#database)
    await this.#owner.decide(group)
    this.#owner.slowOperations.noteSince(startedAt, 'checks', extentOf(group))
  }

  async #write(group: readonly Write[]): Promise<boolean> {
    const batch = this.#database.batch()
    const owners = fill(batch, group)
    const startedAt = performance.now()
    try {
      await batch.write(group.some(({ sync }) => sync))
    } catch (error) {
      // After one failed append LevelDB acknowledges writes that recovery will drop: stop for good.
      this.#status = 'failed'
      this.#owner.onWriteFailed(error as Error)
      return false
    }
    this.#owner.slowOperations.noteSince(startedAt, 'batch', extentOf(group))
    for (const owner of owners) owner.onRecordCommitted()
    this.#owner.afterBatch(group)
    return true
  }

  /** Takes from the head what fits one batch; at least one write, however large. */
  #takeGroup(): WriteGroup {
    const waiting = this.#waiting
    const count = countGroup(waiting.writes)
    if (count === waiting.writes.length) {
      this.#waiting = new WriteGroup()
      return waiting
    }
    const group = new WriteGroup(waiting.writes.splice(0, count))
    this.#waiting = new WriteGroup(waiting.writes)
    return group
  }
}

function extentOf(group: readonly Write[]): Extent {
  return () => ({ count: group.length, bytes: group.reduce((sum, { bytes }) => sum + bytes, 0) })
}

function isWriting({ operations, owner }: Write): boolean {
  return operations > 0 || owner !== undefined
}

function countGroup(writes: readonly Write[]): number {
  let operations = 0
  let bytes = 0
  let count = 0
  for (const write of writes) {
    operations += write.operations
    bytes += write.bytes
    const isFull = operations > LIMITS.batchOperationsMax || bytes > LIMITS.batchBytesMax
    // One that looks at the database first must see all before it, also that of its own batch: it
    // would delete half of another session's batch, or leave the record that is written with it.
    if (count > 0 && (isFull || write.prepare !== undefined)) break
    count++
  }
  return count
}

/** Adds the group's operations, and one record for each session in it. */
function fill(batch: Batch, group: readonly Write[]): Set<RecordOwner> {
  const owners = new Set<RecordOwner>()
  for (const write of group) {
    write.fill(batch)
    if (write.owner !== undefined) owners.add(write.owner)
  }
  for (const owner of owners) owner.fillRecord(batch)
  return owners
}
