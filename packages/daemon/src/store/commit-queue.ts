// The one ordered queue that every write of every session passes. What gathers while a LevelDB
// batch is being written goes into the next one, so that all sessions share its cost.

import { LIMITS } from '@partyd/shared'
import type { Batch, Database } from './database.js'

/** A session that leaves a record in every batch that holds a write of its. */
export interface RecordOwner {
  /** Adds the record, after all of the session's writes. */
  fillRecord(batch: Batch): void
  /** The record is in the database. */
  onRecordCommitted(): void
}

/** A write waiting for its place in a batch. */
export interface Write {
  readonly owner?: RecordOwner | undefined
  readonly sync: boolean
  /** How much of a batch it takes: operations and bytes. */
  readonly operations: number
  readonly bytes: number
  /** Reads what it needs to know from the database, once everything before it is in. */
  prepare?(database: Database): Promise<void>
  /** Adds its operations to the batch. Must not throw: it has been validated. */
  fill(batch: Batch): void
  /** Its batch is in the database. Returns the write that carries on, if this one has more to do. */
  onCommitted(): Write | undefined
}

/** What the queue needs from the rest of the engine. */
export interface CommitQueueOwner {
  /** Reads issued before the next batch must be on their way before it is written. */
  beforeBatch(): void
  /** LevelDB failed to write a batch. Nothing of it has been answered, and nothing will be written any more. */
  onWriteFailed(error: Error): void
}

/** Group commit. */
export class CommitQueue {
  readonly #database: Database
  readonly #owner: CommitQueueOwner
  #waiting: Write[] = []
  #status: 'idle' | 'writing' | 'failed' = 'idle'

  constructor(database: Database, owner: CommitQueueOwner) {
    this.#database = database
    this.#owner = owner
  }

  enqueue(write: Write): void {
    this.#waiting.push(write)
    if (this.#status !== 'idle') return
    this.#status = 'writing'
    // Leaves the rest of this turn's frames time to join the first batch.
    process.nextTick(this.#run)
  }

  readonly #run = async (): Promise<void> => {
    while (this.#waiting.length > 0) {
      if (!(await this.#writeBatch())) return
    }
    this.#status = 'idle'
  }

  /** @returns whether there may be another batch. */
  async #writeBatch(): Promise<boolean> {
    const group = this.#takeGroup()
    for (const write of group) await write.prepare?.(this.#database)
    this.#owner.beforeBatch()
    const batch = this.#database.batch()
    const owners = fill(batch, group)
    try {
      // A batch without operations (a clear of nothing) closes without a write.
      await batch.write({ sync: group.some(({ sync }) => sync) } as { sync: boolean })
    } catch (error) {
      // After one failed append LevelDB acknowledges writes that recovery will drop: stop for good.
      this.#status = 'failed'
      this.#owner.onWriteFailed(error as Error)
      return false
    }
    for (const owner of owners) owner.onRecordCommitted()
    for (const write of group) {
      const rest = write.onCommitted()
      if (rest !== undefined) this.#waiting.push(rest)
    }
    return true
  }

  /** Takes from the head what fits one batch; at least one write, however large. */
  #takeGroup(): Write[] {
    let operations = 0
    let bytes = 0
    let count = 0
    for (const write of this.#waiting) {
      operations += write.operations
      bytes += write.bytes
      const isFull = operations > LIMITS.batchOperationsMax || bytes > LIMITS.batchBytesMax
      // One that looks at the database first must see all before it, also that of its own batch: it
      // would delete half of another session's batch, or leave the record that is written with it.
      if (count > 0 && (isFull || write.prepare !== undefined)) break
      count++
    }
    if (count === this.#waiting.length) {
      const all = this.#waiting
      this.#waiting = []
      return all
    }
    return this.#waiting.splice(0, count)
  }
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
