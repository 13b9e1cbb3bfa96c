// A write as the commit queue takes it, whatever it writes.

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
  /** Key, value, key, value, …; a missing value deletes. Undefined until the write's turn comes. */
  readonly pairs?: readonly (Buffer | undefined)[] | undefined
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
