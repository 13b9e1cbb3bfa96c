// The loop that every workload of every peer runs in: so many lanes, each of which waits for its
// operation and issues the next. Beside the operation's own promise a lane allocates nothing.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Pace, TaskReport } from './task.js'

/** What one lane does again and again. */
export interface Operation {
  /** Issues it and returns its promise or, where the peer is synchronous, its result. */
  issue(): unknown
  /** @throws Error when the result is not right. */
  check?(result: unknown): void
}

/** The samples kept; more overwrite the oldest. */
const SAMPLES = 1 << 16
/** How many of them are reported. */
const RANKS = 1001

/**
 * Runs the operations of all lanes until the time is over and the last one has ended.
 * @param weight how many operations one of a lane counts as
 */
export async function runLanes(
  lanes: readonly Operation[],
  pace: Pace,
  weight: number,
  signal?: AbortSignal
): Promise<TaskReport> {
  const samples = new Float64Array(SAMPLES)
  await sleep(Math.max(0, pace.startAt - Date.now()))
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  let deadline = startedAt + pace.durationMs
  signal?.addEventListener('abort', () => {
    deadline = 0
  })
  let calls = 0
  let endedAt = startedAt

  const run = async (operation: Operation): Promise<void> => {
    let before = performance.now()
    while (before < deadline) {
      const result = await operation.issue()
      operation.check?.(result)
      const after = performance.now()
      samples[calls % SAMPLES] = after - before
      calls += 1
      before = after
    }
    endedAt = before
  }
  await Promise.all(lanes.map(run))

  const cpu = process.cpuUsage(cpuBefore)
  return {
    operations: calls * weight,
    elapsedMs: endedAt - startedAt,
    cpuMs: (cpu.user + cpu.system) / 1000,
    latenciesUs: ranks(samples.subarray(0, Math.min(calls, SAMPLES)).sort())
  }
}

function ranks(sorted: Float64Array): number[] {
  const count = Math.min(RANKS, sorted.length)
  const step = count > 1 ? (sorted.length - 1) / (count - 1) : 0
  return Array.from({ length: count }, (_, rank) => (sorted[Math.round(rank * step)] ?? 0) * 1000)
}
