// Reports how the start goes to whoever spawned us, on the descriptor they gave.

import { closeSync, writeSync } from 'node:fs'
import { formatStartReport, type StartReport } from '@partyd/shared'

export class StartChannel {
  #fd: number | undefined

  /** @param fd undefined when nobody listens. */
  constructor(fd: number | undefined) {
    this.#fd = fd
  }

  report(report: StartReport): void {
    if (this.#fd === undefined) return
    try {
      writeSync(this.#fd, formatStartReport(report))
    } catch {
      // EPIPE: the spawner is gone. We are not: other clients are waiting for us.
      this.close()
    }
  }

  close(): void {
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined) closeSync(fd)
  }
}
