// Many keys in one call.

import type { Cell, Family } from '../cell.js'

const IN_FLIGHT = [1, 8]

function batchCell(size: number, inFlight: number): Cell {
  return {
    name: `batch-${size}-1x${inFlight}`,
    task: { kind: 'batch', size },
    shape: { processes: 1, inFlight },
    needs: ['batch'],
    targets: size === 1000 ? [6] : [],
    durationMs: 500
  }
}

function getManyCell(inFlight: number): Cell {
  return {
    name: `getMany-100-1x${inFlight}`,
    task: { kind: 'getMany', size: 100 },
    shape: { processes: 1, inFlight },
    needs: ['getMany'],
    targets: [6]
  }
}

export const batches: Family = {
  name: 'batches',
  about: 'Keys a second, in one process, one call at a time or 8 under way.',
  cells: [
    ...[10, 1000].flatMap((size) => IN_FLIGHT.map((inFlight) => batchCell(size, inFlight))),
    ...IN_FLIGHT.map(getManyCell)
  ]
}
