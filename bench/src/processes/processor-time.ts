// Processor time of other processes, all their threads together, from Linux's /proc.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The kernel counts in hundredths of a second: proc(5), sysconf(_SC_CLK_TCK). */
const TICK_MS = 10

/** A process that has used at most one tick in so long is at rest. */
const REST_MS = 40
const REST_DEADLINE_MS = 3000

/** Milliseconds of user and system time; 0 where there is no /proc. */
export function processorMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

/** Resolves when the processes are at rest: one peer's compaction shall not be another's noise. */
export async function rested(pids: readonly number[]): Promise<void> {
  const deadline = Date.now() + REST_DEADLINE_MS
  const total = (): number => pids.reduce((sum, pid) => sum + processorMs(pid), 0)
  let before = total()
  while (Date.now() < deadline) {
    await sleep(REST_MS)
    const after = total()
    if (after - before <= TICK_MS) return
    before = after
  }
}

/** Megabytes of a process that are its own and not a file's. */
export function ownMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}
