// One line of the benchmark: a task, a shape, and who runs it in turn.

import type { DataShape } from './data-set.js'
import type { Ability, Peer } from './peers/peer.js'
import type { Shape, Site, Turn } from './site.js'
import type { Task } from './tasks/task.js'

/** 100-byte values, 100 thousand keys: what every cell uses unless it says otherwise. */
export const DEFAULT_DATA: DataShape = { keys: 100_000, valueBytes: 100 }

/** Who takes part in a cell, where it is not simply every peer. */
export interface Entrant {
  readonly label: string
  readonly peer: string
  readonly shape?: Shape
  readonly data?: DataShape
}

export interface Cell {
  /** As results and `--only` name it. */
  readonly name: string
  readonly task: Task
  readonly shape: Shape
  /** What it needs of a peer. */
  readonly needs: readonly Ability[]
  /** Rows of the targets that are measured by it. */
  readonly targets?: readonly number[]
  /** Default: every peer of the run that is able. A list takes in peers that the run left out by default. */
  readonly entrants?: readonly Entrant[]
  /** The only peers that make sense here. Default: all. */
  readonly peers?: readonly string[]
  readonly data?: DataShape
  readonly cacheBytes?: number
  /** Milliseconds of a turn. Default: 500. */
  readonly durationMs?: number
  /** Something that goes on during all turns; returns what ends it. */
  background?(siteOf: (peer: string) => Promise<Site>): Promise<() => Promise<void>>
}

/** Cells that share their databases; these are removed behind the last one. */
export interface Family {
  readonly name: string
  readonly cells: readonly Cell[]
}

/** What one entrant did in all rounds. */
export interface Measurement {
  readonly cell: string
  readonly entrant: string
  readonly turns: readonly Turn[]
}

/** A process that only one can use a database in takes part with one process. */
export function canTakePart(peer: Peer, cell: Cell, shape: Shape): boolean {
  if (cell.peers !== undefined && !cell.peers.includes(peer.name)) return false
  if (!cell.needs.every((need) => peer.abilities.includes(need))) return false
  const connections = shape.processes * (shape.connections ?? 1)
  return peer.processes === 'many' || connections === 1
}
