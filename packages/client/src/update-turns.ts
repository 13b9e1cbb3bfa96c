// Updates of one key within this process take turns: all at once they would only be in each other's
// way, and each round of conflicts lets a single one through.

import { type Bytes, TIMES } from '@partyd/shared'

export class UpdateTurns {
  /** The end of the last turn that was given, by key. */
  readonly #last = new Map<string, Promise<void>>()

  /**
   * Runs an update when those of the same key before it have ended, or have taken so long that it
   * is left to the checks to keep them apart. An update within an update must not wait for ever.
   */
  async take<T>(key: Bytes, run: () => Promise<T>): Promise<T> {
    const name = typeof key === 'string' ? key : Buffer.from(key).toString('latin1')
    const before = this.#last.get(name)
    let end = (): void => {}
    const turn = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#last.set(name, turn)
    await before
    const timer = setTimeout(end, TIMES.updateTurn)
    try {
      return await run()
    } finally {
      clearTimeout(timer)
      end()
      if (this.#last.get(name) === turn) this.#last.delete(name)
    }
  }
}
