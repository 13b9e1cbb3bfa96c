// Values smaller and larger than the 100 bytes of the other workloads.

import type { Cell, Family } from '../cell.js'
import type { DataShape } from '../data-set.js'
import type { Shape } from '../site.js'

interface Size {
  readonly name: string
  readonly data: DataShape
  /** Less at a time where values are large. */
  readonly shape: Shape
}

const SIZES: readonly Size[] = [
  {
    name: '16B',
    data: { keys: 100_000, valueBytes: 16 },
    shape: { processes: 4, inFlight: 64 }
  },
  {
    name: '10kB',
    data: { keys: 5_000, valueBytes: 10_000 },
    shape: { processes: 4, inFlight: 16 }
  },
  {
    name: '1MB',
    data: { keys: 48, valueBytes: 1_000_000 },
    shape: { processes: 2, inFlight: 2 }
  }
]

const KINDS = { get: 0, put: 256 }

function sizeCells({ name, data, shape }: Size): Cell[] {
  return Object.entries(KINDS).map(([kind, puts]) => ({
    name: `${kind}-${name}-${shape.processes}x${shape.inFlight}`,
    task: { kind: 'point', puts },
    shape,
    data,
    needs: ['point']
  }))
}

/** One family each, so that not all databases stand about at once. */
export const sizes: readonly Family[] = SIZES.map((size) => ({
  name: `values of ${size.name}`,
  about: `Gets and puts over ${size.data.keys.toLocaleString('en')} keys.`,
  cells: sizeCells(size)
}))
