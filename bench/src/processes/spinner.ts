// A process that does nothing, at idle priority: it gives way to everybody, and keeps the processor
// from sleeping between two messages.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, setPriority } from 'node:os'

/** Starts one; returns what ends it. */
export function startSpinner(): () => Promise<void> {
  // It ends by itself should nobody be left to end it.
  const source = 'const end = Date.now() + 120_000; while (Date.now() < end);'
  const child = spawn(process.execPath, ['-e', source], { stdio: 'ignore' })
  setPriority(child.pid as number, constants.priority.PRIORITY_LOW)
  // SCHED_IDLE is below every nice value; where there is no chrt the lowest nice value must do.
  const chrt = spawn('chrt', ['--idle', '--pid', '0', String(child.pid)], { stdio: 'ignore' })
  chrt.once('error', () => undefined)
  return async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
}
