// The whole database, in every way that abstract-level knows, and short ranges.

import type { Cell, Family } from '../cell.js'
import type { Encoding, ScanMethod } from '../peers/peer.js'

const METHODS: Readonly<Record<Encoding, readonly ScanMethod[]>> = {
  utf8: ['iterator', 'nextv', 'all', 'keys', 'reverse'],
  buffer: ['iterator', 'nextv', 'all']
}
const SHORT = 20

function scanCell(method: ScanMethod, encoding: Encoding): Cell {
  return {
    name: `scan-${method}-${encoding}`,
    task: { kind: 'scan', method, encoding },
    shape: { processes: 1, inFlight: 1 },
    needs: [
      method === 'nextv' || method === 'all' ? 'nextv' : 'iterator',
      ...(encoding === 'buffer' ? (['buffer'] as const) : [])
    ],
    targets: method === 'iterator' ? [5] : []
  }
}

function rangesCell(inFlight: number): Cell {
  return {
    name: `ranges-${SHORT}-1x${inFlight}`,
    task: { kind: 'ranges', size: SHORT, encoding: 'utf8' },
    shape: { processes: 1, inFlight },
    needs: ['iterator']
  }
}

export const scans: Family = {
  name: 'scans',
  about:
    'Entries a second over everything, in one process; `ranges-20`: short ranges of 20 entries a second.',
  cells: [
    ...METHODS.utf8.map((method) => scanCell(method, 'utf8')),
    ...METHODS.buffer.map((method) => scanCell(method, 'buffer')),
    ...[1, 16].map(rangesCell)
  ]
}
