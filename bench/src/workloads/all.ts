// Every family of workloads, in the order in which they run.

import type { Family } from '../cell.js'
import { batches } from './batches.js'
import { latency } from './latency.js'
import { points } from './points.js'
import { scans } from './scans.js'

export const FAMILIES: readonly Family[] = [points, latency, batches, scans]
