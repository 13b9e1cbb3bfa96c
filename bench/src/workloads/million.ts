// Ten times the keys: all of them in the block cache, and in every peer.

import { type Cell, DEFAULT_DATA, type Family } from '../cell.js'
import type { Shape } from '../site.js'

const MILLION = { ...DEFAULT_DATA, keys: 1_000_000 }
/** Enough for all of the million. */
const CACHE_BYTES = 256 * 1024 * 1024

/** LevelDB's own share: as many operations under way, in one process. */
const IN_PROCESS: Shape = { processes: 1, inFlight: 256 }

const KINDS = { get: 0, mixed: 128, put: 256 }

function millionCell(kind: string, puts: number): Cell {
  return {
    name: `million-${kind}`,
    task: { kind: 'point', puts },
    shape: { processes: 4, inFlight: 64 },
    needs: ['point'],
    targets: [9],
    cacheBytes: CACHE_BYTES,
    durationMs: 1000,
    entrants: [
      { label: '1 million keys', peer: 'partyd', data: MILLION },
      { label: '100 thousand keys', peer: 'partyd', data: DEFAULT_DATA },
      { label: 'in process, 1 million', peer: 'classic-level', data: MILLION, shape: IN_PROCESS },
      {
        label: 'in process, 100 thousand',
        peer: 'classic-level',
        data: DEFAULT_DATA,
        shape: IN_PROCESS
      }
    ]
  }
}

const peers: Cell = {
  name: 'million-get-peers-1x64',
  task: { kind: 'point', puts: 0 },
  shape: { processes: 1, inFlight: 64 },
  needs: ['point'],
  // One for each way to do it; to fill them all takes minutes.
  peers: ['partyd', 'base', 'rave-level', 'classic-level', 'lmdb', 'better-sqlite3', 'redis'],
  data: MILLION
}

export const million: Family = {
  name: 'a million keys',
  about:
    'partyd with 1 million and with 100 thousand keys, both in a block cache of 256 MB; then all peers with 1 million keys and their own caches.',
  cells: [...Object.entries(KINDS).map(([kind, puts]) => millionCell(kind, puts)), peers]
}
