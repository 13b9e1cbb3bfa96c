// Single gets and puts: how many processes, and how much each has under way.

import type { Cell, Family } from '../cell.js'
import type { PointTask } from '../tasks/task.js'

const KINDS: Readonly<Record<string, PointTask>> = {
  get: { kind: 'point', puts: 0 },
  put: { kind: 'point', puts: 256 },
  mixed: { kind: 'point', puts: 128 }
}

const PROCESSES = [1, 4, 16]
const IN_FLIGHT = [1, 64, 256]

/** These decide about targets, and are given longer turns. */
const TARGET_MS = 800

/** Guests are measured with 64 under way only, or the table would take too long to fill. */
const GUESTS_IN_FLIGHT = 64
const GUESTS = ['many-level', 'many-level-own']

function targetsOf(kind: string, processes: number, inFlight: number): number[] {
  if (processes === 4 && inFlight === 64) return [1]
  if (processes === 1 && inFlight === 256 && kind !== 'mixed') return [2]
  return []
}

function pointCell(kind: string, processes: number, inFlight: number): Cell {
  const targets = targetsOf(kind, processes, inFlight)
  return {
    name: `${kind}-${processes}x${inFlight}`,
    task: KINDS[kind] as PointTask,
    shape: { processes, inFlight },
    needs: ['point'],
    targets,
    ...(inFlight !== GUESTS_IN_FLIGHT && { without: GUESTS }),
    ...(targets.length > 0 && { durationMs: TARGET_MS })
  }
}

export const points: Family = {
  name: 'points',
  about:
    '`get-4x64`: 4 processes, each with 64 operations under way. Mixed is half gets and half puts.',
  cells: PROCESSES.flatMap((processes) =>
    IN_FLIGHT.flatMap((inFlight) =>
      Object.keys(KINDS).map((kind) => pointCell(kind, processes, inFlight))
    )
  )
}
