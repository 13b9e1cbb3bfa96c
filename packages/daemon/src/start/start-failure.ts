// A start that comes to nothing: what whoever spawned the daemon is told, and the exit code.

import { type DaemonMode, EXIT_CODES, toWireError } from '@partyd/shared'
import type { StartChannel } from './start-channel.js'
import { AlreadyRunning, StartError, StoppedDuringStart } from './start-error.js'

export interface StartFailureOptions {
  /** Empty while it has not been resolved. */
  readonly location: string
  readonly mode: DaemonMode
  readonly startChannel: StartChannel
}

/** @returns the process's exit code. */
export function reportStartFailure(error: unknown, options: StartFailureOptions): number {
  if (error instanceof StoppedDuringStart) return EXIT_CODES.ok
  const { location, mode, startChannel } = options
  const exitCode = exitCodeOf(error)
  if (error instanceof AlreadyRunning) {
    startChannel.report({ event: 'deferred', pid: error.pid })
  } else {
    const reason = error instanceof StartError ? error.error : error
    const wireError = toWireError(reason, { path: location, pid: process.pid })
    startChannel.report({ event: 'error', exitCode, error: wireError })
  }
  // Losers leave the log alone; a person at the terminal is told, as by any other command.
  if (mode !== 'auto') process.stderr.write(`${codeOf(error)}: ${(error as Error).message}\n`)
  startChannel.close()
  return exitCode
}

function exitCodeOf(error: unknown): number {
  if (error instanceof AlreadyRunning) return EXIT_CODES.alreadyRunning
  return error instanceof StartError ? error.exitCode : EXIT_CODES.bug
}

function codeOf(error: unknown): string {
  if (error instanceof AlreadyRunning) return 'LEVEL_LOCKED'
  return error instanceof StartError ? error.error.code : 'PARTYD_BUG'
}
