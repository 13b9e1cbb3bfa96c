// Puts that are on the disk before they are answered.

import type { Cell, Family } from '../cell.js'
import type { Task } from '../tasks/task.js'

const TASK: Task = { kind: 'point', puts: 256, sync: true }

/** In 4 processes, beside what one process that has the database for itself can do. */
const shared: Cell = {
  name: 'sync-put-4x64',
  task: TASK,
  shape: { processes: 4, inFlight: 64 },
  needs: ['sync'],
  targets: [3],
  durationMs: 1000,
  entrants: [
    { label: 'partyd', peer: 'partyd' },
    { label: 'base', peer: 'base' },
    { label: 'classic-level', peer: 'classic-level', shape: { processes: 1, inFlight: 64 } },
    { label: 'lmdb', peer: 'lmdb' },
    { label: 'better-sqlite3', peer: 'better-sqlite3' }
  ]
}

function aloneCell(inFlight: number): Cell {
  return {
    name: `sync-put-1x${inFlight}`,
    task: TASK,
    shape: { processes: 1, inFlight },
    needs: ['sync']
  }
}

export const synced: Family = {
  name: 'sync puts',
  about:
    'Each put is flushed to the disk. In `sync-put-4x64` classic-level is one process with 64 in flight.',
  cells: [shared, aloneCell(1), aloneCell(64)]
}
