// The store's parts as sessions use them.

import type { Counters } from '../counters.js'
import type { DatabaseFaults } from '../log/database-faults.js'
import type { CommitQueue } from '../store/commit-queue.js'
import type { Database } from '../store/database.js'
import type { ReadPath } from '../store/read-path.js'
import type { ScanQueue } from '../store/scan-queue.js'
import type { WatchHub } from '../store/watch-hub.js'
import type { SessionRegistry } from './session-registry.js'

export interface Engine {
  readonly database: Database
  readonly commitQueue: CommitQueue
  readonly readPath: ReadPath
  readonly scanQueue: ScanQueue
  readonly watchHub: WatchHub
  readonly sessions: SessionRegistry
  readonly counters: Counters
  readonly faults: DatabaseFaults
  /** Whether writes that do not say wait for the disk. */
  readonly syncByDefault: boolean
}
