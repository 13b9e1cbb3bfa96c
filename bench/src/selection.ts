// What a run consists of, by its options: which cells, and which peers.

import { type Cell, type Experiment, type Family, peersOf } from './cell.js'
import type { Options } from './options.js'
import { ON_DEMAND, PEERS, peerNamed } from './peers/all.js'
import type { Peer } from './peers/peer.js'
import { TARGETS } from './targets.js'
import { FAMILIES } from './workloads/all.js'

export interface Selection {
  readonly families: readonly Family[]
  readonly peers: readonly Peer[]
}

/** @throws Error when the options name a peer that there is not. */
export function select(options: Options): Selection {
  const families = FAMILIES.map((family) => ({
    ...family,
    cells: family.cells.filter((cell) => isWanted(cell, options))
  })).filter(({ cells }) => cells.length > 0)
  return { families, peers: selectPeers(options, families) }
}

function isWanted(cell: Cell | Experiment, { only, targets }: Options): boolean {
  if (only !== undefined && !only.test(cell.name)) return false
  return targets.length === 0 || (cell.targets ?? []).some((row) => targets.includes(row))
}

function selectPeers(options: Options, families: readonly Family[]): readonly Peer[] {
  const { peers, targets, base } = options
  const extra = [...options.with, ...(base === undefined ? [] : ['base'])].map(peerNamed)
  if (peers !== undefined) return [...peers.map(peerNamed), ...extra]
  const isNeeded = targets.length === 0 ? () => true : isNeededFor(targets, families)
  return PEERS.filter((peer) => {
    if (extra.includes(peer)) return true
    return !ON_DEMAND.includes(peer.name) && isNeeded(peer.name)
  })
}

/** Whether a peer takes part in these rows of the targets. */
function isNeededFor(
  rows: readonly number[],
  families: readonly Family[]
): (name: string) => boolean {
  const targets = TARGETS.filter(({ row }) => rows.includes(row))
  const needed = new Set([
    ...targets.flatMap(({ entrant, against }) => [entrant, against]),
    // Entrants have labels of their own.
    ...families
      .flatMap(({ cells }) => cells)
      .filter((cell) => 'measure' in cell || cell.entrants !== undefined)
      .flatMap(peersOf)
  ])
  return (name) => needed.has(name)
}
