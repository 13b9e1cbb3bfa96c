// Why a daemon cannot start, with the exit code that says so to a service manager.

import {
  EXIT_CODES,
  findLockHolder,
  isDaemonProcess,
  LevelError,
  type PartyError
} from '@partyd/shared'

export class StartError extends Error {
  readonly exitCode: number
  /** What whoever spawned us will see as the cause. */
  readonly error: PartyError | LevelError

  constructor(exitCode: keyof typeof EXIT_CODES, error: PartyError | LevelError) {
    super(error.message, { cause: error })
    this.exitCode = EXIT_CODES[exitCode]
    this.error = error
  }
}

/** Another daemon serves the location already. */
export class AlreadyRunning extends Error {
  readonly pid: number

  constructor(location: string, pid: number, mode: string) {
    super(`${location} is already served by partyd pid ${pid} (${mode}). Nothing to do.`)
    this.pid = pid
  }
}

/** A signal came before there was anything to stop. */
export class StoppedDuringStart extends Error {}

/** Somebody holds LevelDB's lock and is not about to let go. */
export function lockedError(location: string): StartError {
  const pid = findLockHolder(location)?.pid
  const holder = pid === undefined ? 'another process' : `pid ${pid}`
  const advice =
    pid !== undefined && isDaemonProcess(pid)
      ? 'a daemon that is neither serving nor letting go. Wait for it to end, or stop that process'
      : 'which is not partyd. Stop that process or let it use partyd too'
  const message = `The database at ${location} is locked by ${holder}, ${advice}; never delete LOCK.`
  return new StartError('locked', new LevelError('LEVEL_LOCKED', message, { path: location, pid }))
}

/** What LevelDB's error means for a start. */
export function openError(location: string, code: string | undefined, message: string): StartError {
  const details = { path: location, pid: process.pid }
  if (code === 'LEVEL_CORRUPTION') {
    const text = `The database at ${location} is corrupt: ${message}`
    return new StartError('corrupt', new LevelError(code, text, details))
  }
  if (code === undefined) {
    // LevelDB's `invalid argument`: createIfMissing or errorIfExists does not fit what is there.
    const text = `Cannot open ${location}: ${message}`
    return new StartError('usage', new LevelError('LEVEL_INVALID_ARGUMENT', text, details))
  }
  const text = `Cannot open the database at ${location}: ${message}`
  return new StartError('disk', new LevelError(code, text, details))
}

/** A file that clients read cannot be written. */
export function writeError(path: string, cause: Error): StartError {
  const message = `Cannot write ${path}, by which clients find the daemon: ${cause.message}. Make room for it.`
  const details = { path, pid: process.pid, cause }
  return new StartError('disk', new LevelError('LEVEL_IO_ERROR', message, details))
}
