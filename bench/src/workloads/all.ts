// Every family of workloads, in the order in which they run.

import type { Family } from '../cell.js'
import { batches } from './batches.js'
import { connections } from './connections.js'
import { latency } from './latency.js'
import { lifeCycle } from './life-cycle.js'
import { loaded } from './loaded.js'
import { memory } from './memory.js'
import { million } from './million.js'
import { points } from './points.js'
import { scans } from './scans.js'
import { sizes } from './sizes.js'
import { synced } from './synced.js'

export const FAMILIES: readonly Family[] = [
  points,
  latency,
  loaded,
  scans,
  batches,
  synced,
  connections,
  ...sizes,
  million,
  lifeCycle,
  memory
]
