// How long to wait before the next dial: jittered, so that a herd spreads out.

import { TIMES } from '@partyd/shared'

export class Backoff {
  readonly #startedAt = performance.now()
  #delay: number = TIMES.backoffFirst

  /** Milliseconds to wait now; the next answer is longer. */
  next(): number {
    const isEarly = performance.now() - this.#startedAt < TIMES.backoffEarly
    const delay = this.#delay
    this.#delay = Math.min(delay * 2, isEarly ? TIMES.backoffEarlyMax : TIMES.backoffMax)
    return delay / 2 + (Math.random() * delay) / 2
  }
}
