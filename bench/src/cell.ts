// One line of the benchmark: what is done, in which shape, and who does it in turn.

import type { DataShape } from './data-set.js'
import type { Measurement } from './figures.js'
import type { Ability, Peer } from './peers/peer.js'
import type { Shape, Site } from './site.js'
import type { Task } from './tasks/task.js'

/** 100-byte values, 100 thousand keys: what every cell uses unless it says otherwise. */
export const DEFAULT_DATA: DataShape = { keys: 100_000, valueBytes: 100 }

/** A task that entrants take turns at. */
export interface Cell {
  /** As results and `--only` name it. */
  readonly name: string
  readonly task: Task
  readonly shape: Shape
  /** What it needs of a peer. */
  readonly needs: readonly Ability[]
  /** Rows of the targets that are measured by it. */
  readonly targets?: readonly number[]
  /** Default: each peer of the run that is able, under its own name. */
  readonly entrants?: readonly Entrant[]
  /** The only peers that make sense here. Default: all. */
  readonly peers?: readonly string[]
  /** Peers that are left out. Default: none. */
  readonly without?: readonly string[]
  readonly data?: DataShape
  /** Bytes of block cache; when given, everything is read once beforehand. */
  readonly cacheBytes?: number
  /** Milliseconds of a turn. Default: 350. */
  readonly durationMs?: number
  /** Milliseconds of the turn that does not count. Default: as the others. */
  readonly warmUpMs?: number
  /** Something that goes on during all turns; returns what ends it. */
  background?(siteOf: (peer: string) => Promise<Site>): Promise<() => Promise<void>>
}

/** Who takes part in a cell, where it is not simply every peer. */
export interface Entrant {
  readonly label: string
  readonly peer: string
  /** Default: the cell's. */
  readonly shape?: Shape
  /** Default: the cell's. */
  readonly data?: DataShape
}

/** Something that is measured in a way of its own. */
export interface Experiment {
  readonly name: string
  readonly targets?: readonly number[]
  /** Peers that it measures, as far as they are in the run. */
  readonly peers: readonly string[]
  measure(context: ExperimentContext): Promise<Measurement[]>
}

export interface ExperimentContext {
  /** Those of the experiment's peers that are in the run and installed. */
  readonly peers: readonly Peer[]
  readonly rounds: number
  readonly isQuick: boolean
  /** Where directories are made. */
  readonly root: string
  /** A running peer with its own database, which the runner stops in the end. */
  startSite(peer: Peer, data: DataShape): Promise<Site>
}

/** Cells that share their databases; these are removed behind the last one. */
export interface Family {
  readonly name: string
  /** A sentence above its tables. */
  readonly about: string
  readonly cells: readonly (Cell | Experiment)[]
}

/** Whether a peer is able; where only one process can use a database, its shape must be of one. */
export function canTakePart(peer: Peer, cell: Cell, shape: Shape): boolean {
  if (cell.peers !== undefined && !cell.peers.includes(peer.name)) return false
  if (cell.without?.includes(peer.name)) return false
  if (!cell.needs.every((need) => peer.abilities.includes(need))) return false
  const connections = shape.processes * (shape.connections ?? 1)
  return peer.processes === 'many' || connections === 1
}

/** Every peer that may take part, for a list of what a run needs. */
export function peersOf(cell: Cell | Experiment): readonly string[] {
  if ('measure' in cell) return cell.peers
  return cell.entrants?.map(({ peer }) => peer) ?? cell.peers ?? []
}
