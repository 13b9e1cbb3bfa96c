// Updates of one key within this process take turns: all at once they would only be in each other's
// way, and each round of conflicts lets a single one through.

import { type Bytes, TIMES } from '@partyd/shared'
import { abortable } from './abortable.js'

export class UpdateTurns {
  /** The end of the last turn that was given, by key. */
  readonly #last = new Map<string, Promise<void>>()

  /**
   * Runs an update when those of the same key before it have ended, or have taken so long that it
   * is left to the checks to keep them apart. An update within an update must not wait for ever.
   * @throws LevelError `LEVEL_ABORTED` when the signal says so before the turn has come.
   */
  async take<T>(key: Bytes, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const name = typeof key === 'string' ? key : Buffer.from(key).toString('latin1')
    const before = this.#last.get(name)
    let resolveTurn = (): void => {}
    const turn = new Promise<void>((resolve) => {
      resolveTurn = resolve
    })
    this.#last.set(name, turn)
    const end = (): void => {
      resolveTurn()
      if (this.#last.get(name) === turn) this.#last.delete(name)
    }
    await this.#wait(before, end, signal)
    const timer = setTimeout(end, TIMES.updateTurn)
    try {
      return await run()
    } finally {
      clearTimeout(timer)
      end()
    }
  }

  /** @param end ends the turn that is waited for. */
  async #wait(
    before: Promise<void> | undefined,
    end: () => void,
    signal: AbortSignal | undefined
  ): Promise<void> {
    if (before === undefined || signal === undefined) return before
    try {
      await abortable(before, signal)
    } catch (error) {
      // Not at once: whoever comes next has to wait for the one before us all the same.
      void before.then(end)
      throw error
    }
  }
}
