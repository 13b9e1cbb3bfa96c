// How long a service that has gone is left to its manager, before a client starts a daemon itself.

import { findLockHolder, isDaemonProcess, TIMES } from '@partyd/shared'

/** The grace of one connect attempt. */
export class ServiceGrace {
  readonly #location: string
  readonly #startedAt = performance.now()
  #lastHeldAt = this.#startedAt

  constructor(location: string) {
    this.#location = location
  }

  /**
   * Whether nobody has come for long enough. A service that drains has the lock for as long as its
   * slowest client takes, and its manager starts the next one only then: a daemon that a client
   * started meanwhile would get the lock before it.
   */
  isOver(): boolean {
    const now = performance.now()
    if (this.#isHeldByDaemon()) this.#lastHeldAt = now
    return (
      now - this.#lastHeldAt >= TIMES.serviceRestart ||
      now - this.#startedAt >= TIMES.drain + TIMES.serviceRestart
    )
  }

  /** The service, or one that has come after it. */
  #isHeldByDaemon(): boolean {
    const pid = findLockHolder(this.#location)?.pid
    return pid !== undefined && isDaemonProcess(pid)
  }
}
