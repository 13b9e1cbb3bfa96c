// How a daemon ends badly: without a drain and without touching the database, which may be broken or
// not its own any more. What can be said and recorded is.

import { EXIT_CODES, PartyError, toWireError, writeExitRecord } from '@partyd/shared'
import type { Logger } from '../log/logger.js'
import { warnOnFailure } from '../log/warn-on-failure.js'
import type { Connections } from '../session/connections.js'
import type { Endpoint } from '../start/endpoint.js'
import type { StartChannel } from '../start/start-channel.js'

/** What there is of a daemon at its end, which may come at any time. */
export interface Remains {
  /** Empty while it has not been resolved. */
  readonly location: string
  readonly instanceId: string
  readonly log: Logger
  readonly startChannel: StartChannel
  readonly endpoint: Endpoint | undefined
  readonly connections: Connections | undefined
}

/**
 * After one failed append LevelDB goes on acknowledging writes that recovery will drop. So nothing
 * is answered or written any more; whoever opens the database next starts a new log.
 */
export function endAfterFailedWrite(error: Error, remains: Remains): never {
  const { log, endpoint, connections } = remains
  const message = `LevelDB failed to write: ${error.message}`
  log.fatal(message, { err: error })
  warnOnFailure(log, () => endpoint?.unpublish())
  connections?.sayGoodbye('failed-write', message)
  return end('disk', message, remains)
}

/**
 * Another daemon may own the files by now, and even closing the database would write to them. No
 * exit is quick enough: only SIGKILL runs no destructor.
 */
export function endAfterLoss(reason: string, { location }: Remains): void {
  process.stderr.write(`partyd: lost ${location}: ${reason}\n`)
  process.kill(process.pid, 'SIGKILL')
}

export function endAfterBug(error: Error, remains: Remains): never {
  const { location, log, startChannel } = remains
  log.fatal('bug', { err: error })
  const report = new PartyError('PARTYD_CRASHED', `partyd has a bug: ${error.stack}`, {
    path: location,
    pid: process.pid
  })
  startChannel.report({ event: 'error', exitCode: EXIT_CODES.bug, error: toWireError(report) })
  return end('bug', error.stack ?? error.message, remains)
}

function end(code: keyof typeof EXIT_CODES, reason: string, remains: Remains): never {
  process.stderr.write(`partyd: ${reason}\n`)
  if (remains.location !== '') recordExit(EXIT_CODES[code], reason, remains)
  return process.exit(EXIT_CODES[code])
}

function recordExit(code: number, reason: string, { location, instanceId }: Remains): void {
  const at = new Date().toISOString()
  try {
    writeExitRecord(location, { schema: 1, reason, code, at, pid: process.pid, instanceId })
  } catch (error) {
    // A full disk is one of the reasons to be here.
    process.stderr.write(`partyd: cannot record the end: ${(error as Error).message}\n`)
  }
}
