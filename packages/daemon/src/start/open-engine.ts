// From an open database to the engine that sessions work with.

import { PartyError } from '@partyd/shared'
import { Counters } from '../counters.js'
import { type DatabaseFault, DatabaseFaults } from '../log/database-faults.js'
import type { SlowOperations } from '../log/slow-operations.js'
import type { Engine } from '../session/engine.js'
import { SessionRegistry } from '../session/session-registry.js'
import { decideAtomics } from '../store/checks.js'
import { CommitQueue } from '../store/commit-queue.js'
import type { Database } from '../store/database.js'
import { ReadPath } from '../store/read-path.js'
import { ScanQueue } from '../store/scan-queue.js'
import { SessionRecords } from '../store/session-records.js'
import { WatchHub } from '../store/watch-hub.js'
import { openError, StartError } from './start-error.js'

export interface EngineOwner {
  readonly slowOperations: SlowOperations
  /** Whether writes that do not say wait for the disk. */
  readonly syncByDefault: boolean
  /** LevelDB failed to write: nothing may be answered or written any more. */
  onWriteFailed(error: Error): void
  /** Records have been removed without their clients' goodbye. */
  onGeneration(generation: string): void
  /** An operation has met an error of the disk. Told of some, if there are many. */
  onFault(fault: DatabaseFault): void
  /** Session records could not be read, and stay where they are. */
  onUnreadable(error: Error): void
}

/** @throws StartError when the session records cannot be read. */
export async function openEngine(
  database: Database,
  location: string,
  owner: EngineOwner
): Promise<Engine> {
  const counters = new Counters()
  const { slowOperations } = owner
  database.slowOperations = slowOperations
  const readPath = new ReadPath(database, slowOperations)
  const watchHub = new WatchHub()
  const commitQueue = new CommitQueue(database, {
    slowOperations,
    beforeBatch: () => {
      counters.batches++
      readPath.dispatch()
    },
    decide: (group) => decideAtomics(group, database, readPath),
    afterBatch: (group) => watchHub.publish(group),
    onWriteFailed: (error) => owner.onWriteFailed(error)
  })
  const records = await openRecords(database, location, owner)
  const sessions = new SessionRegistry(records, commitQueue, () =>
    owner.onGeneration(records.generation)
  )
  const scanQueue = new ScanQueue(() => readPath.isInUse)
  const faults = new DatabaseFaults((fault) => owner.onFault(fault))
  const store = { database, commitQueue, readPath, scanQueue, watchHub }
  return { ...store, sessions, counters, faults, syncByDefault: owner.syncByDefault }
}

async function openRecords(
  database: Database,
  location: string,
  owner: EngineOwner
): Promise<SessionRecords> {
  try {
    return await SessionRecords.open(database, (error) => owner.onUnreadable(error))
  } catch (cause) {
    if (!(cause instanceof RangeError)) {
      const { code, message } = cause as NodeJS.ErrnoException
      throw openError(location, code, message)
    }
    const message = `The session records in ${location} were written by another version of partyd: ${cause.message}`
    const details = { path: location, pid: process.pid, cause }
    throw new StartError(
      'incompatibleData',
      new PartyError('PARTYD_INCOMPATIBLE', message, details)
    )
  }
}
