// What signals tell a daemon: to stop, sooner with each one; to open its log again; to say how it is.

import { TIMES } from '@partyd/shared'
import { leaveTerminal } from './end/lost-terminal.js'
import { StoppedDuringStart } from './start/start-error.js'

export interface SignalOwner {
  /** Told of each signal to stop. */
  onStop(name: string): void
  /** Somebody has moved the log away. */
  onReopenLog(): void
  /** Somebody wants to read in the log how the daemon is. */
  onDump(): void
}

export class Signals {
  readonly #owner: SignalOwner
  /** Whether the daemon lives and dies with a terminal. */
  readonly #hasTerminal: boolean
  readonly #stop = new AbortController()
  readonly #hurry = new AbortController()
  #stops = 0

  /** Listens from here on. SIGUSR1 is left to Node, which opens its inspector on it. */
  constructor(owner: SignalOwner, hasTerminal: boolean) {
    this.#owner = owner
    this.#hasTerminal = hasTerminal
    process.on('SIGTERM', () => this.#onStop('SIGTERM'))
    process.on('SIGINT', () => this.#onStop('SIGINT'))
    process.on('SIGHUP', () => this.#onHangUp())
    process.on('SIGUSR2', () => owner.onDump())
  }

  /** Aborted by the first signal to stop. */
  get stop(): AbortSignal {
    return this.#stop.signal
  }

  /** Aborted a second after the second signal to stop, or by the third. */
  get hurry(): AbortSignal {
    return this.#hurry.signal
  }

  #onStop(name: string): void {
    this.#stops++
    this.#stop.abort(new StoppedDuringStart())
    this.#owner.onStop(name)
    if (this.#stops === 2) setTimeout(() => this.#hurry.abort(), TIMES.drainHurried)
    else if (this.#stops > 2) this.#hurry.abort()
  }

  /** A terminal that goes away takes its daemon with it; others have none to lose. */
  #onHangUp(): void {
    if (!this.#hasTerminal) return this.#owner.onReopenLog()
    process.on('exit', leaveTerminal)
    this.#onStop('SIGHUP')
  }
}
