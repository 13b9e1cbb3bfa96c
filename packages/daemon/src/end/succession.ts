// What a daemon owes to the clients of one that was killed: they are on their way, with writes whose
// answers were lost. A clean stop removes the records that tell what has become of these, so it
// comes only when they have had the time to ask.

import { setTimeout as sleep } from 'node:timers/promises'
import { TIMES } from '@partyd/shared'

export class Succession {
  /** Until when they may come, by `performance.now()`. */
  readonly #endsAt: number

  /**
   * To be made when clients can connect.
   * @param wasKilled whether the daemon before has left its records.
   */
  constructor(wasKilled: boolean) {
    this.#endsAt = wasKilled ? performance.now() + TIMES.succession : 0
  }

  /** How long they still have. */
  get remainingMs(): number {
    return Math.max(0, Math.ceil(this.#endsAt - performance.now()))
  }

  /** Resolves when their time is over, or there is none to be had. */
  async over(hurry: AbortSignal): Promise<void> {
    if (this.remainingMs > 0)
      await sleep(this.remainingMs, undefined, { signal: hurry }).catch(ignore)
  }
}

function ignore(): void {}
