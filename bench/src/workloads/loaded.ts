// Small gets, one after another, while others scan everything and write large values to partyd; and
// a bare echo under the same load, which shows what the scheduler alone makes of that.

import type { Cell, Family } from '../cell.js'
import type { Site } from '../site.js'
import type { Task } from '../tasks/task.js'

const SCAN: Task = { kind: 'scan', method: 'iterator', encoding: 'utf8', mayHaveMore: true }
const WRITE: Task = { kind: 'writeLarge', bytes: 1_000_000 }

async function startLoads(siteOf: (peer: string) => Promise<Site>): Promise<() => Promise<void>> {
  const site = await siteOf('partyd')
  const ends = [
    await site.startLoad(SCAN, 1),
    await site.startLoad(SCAN, 1),
    await site.startLoad(WRITE, 1)
  ]
  return async () => {
    await Promise.all(ends.map((end) => end()))
  }
}

const cell: Cell = {
  name: 'get-loaded',
  task: { kind: 'point', puts: 0 },
  shape: { processes: 1, inFlight: 1 },
  needs: [],
  peers: ['partyd', 'echo'],
  targets: [8],
  durationMs: 1500,
  background: startLoads
}

export const loaded: Family = {
  name: 'under load',
  about:
    'Two processes scan everything and one writes values of 1 MB, all on partyd, while gets, and then echoes, run one after another.',
  cells: [cell]
}
