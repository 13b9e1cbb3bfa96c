// All that a run found out, as it is written to results.json.

import type { Measurement } from './figures.js'
import type { Machine } from './machine.js'
import type { Verdict } from './targets.js'

export interface Results {
  readonly date: string
  readonly machine: Machine
  /** Counted rounds of each cell. */
  readonly rounds: number
  readonly isQuick: boolean
  readonly peers: readonly PeerResult[]
  readonly families: readonly FamilyResult[]
  readonly verdicts: readonly Verdict[]
}

export interface PeerResult {
  readonly name: string
  readonly description: string
  /** Why it took no part. */
  readonly missing?: string
}

export interface FamilyResult {
  readonly name: string
  readonly about: string
  readonly seconds: number
  readonly measurements: readonly Measurement[]
}
