// Why a daemon cannot start, with the exit code that says so to a service manager.

import { EXIT_CODES, type LevelError, type PartyError } from '@partyd/shared'

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
