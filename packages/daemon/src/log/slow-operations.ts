// Operations that take suspiciously long, for the log. Nothing is measured for a single operation
// that is quick: the clock is read for a batch, a step of a scan, or work of the thread pool.

import { LIMITS } from '@partyd/shared'

export interface SlowOperation {
  /** What was slow: `batch`, `queue`, `checks`, `get`, `getMany`, `hasMany`, `scan`, `compactRange`. */
  readonly kind: string
  /** Writes, keys or entries. */
  readonly count: number
  /** Of keys and values, as far as they are known. */
  readonly bytes: number
  /** Until the daemon could go on: it may have been busy with other things. */
  readonly ms: number
  /** How many others were not told because there were too many. */
  readonly dropped: number
}

/** How much was done. Only asked when it was slow. */
export type Extent = () => Pick<SlowOperation, 'count' | 'bytes'>

export class SlowOperations {
  /** From how many milliseconds on an operation is slow; Infinity for never. */
  thresholdMs: number
  readonly #onSlow: (operation: SlowOperation) => void
  /** When the current second began, how many it has told of, and how many not. */
  #secondStart = 0
  #told = 0
  #dropped = 0

  constructor(thresholdMs: number, onSlow: (operation: SlowOperation) => void) {
    this.thresholdMs = thresholdMs
    this.#onSlow = onSlow
  }

  /** @param startedAt of `performance.now()`. */
  noteSince(startedAt: number, kind: string, extent: Extent): void {
    this.note(performance.now() - startedAt, kind, extent)
  }

  note(ms: number, kind: string, extent: Extent): void {
    if (ms < this.thresholdMs || !this.#mayTell()) return
    const dropped = this.#dropped
    this.#dropped = 0
    this.#onSlow({ kind, ...extent(), ms: Math.round(ms * 10) / 10, dropped })
  }

  #mayTell(): boolean {
    const now = performance.now()
    if (now - this.#secondStart >= 1_000) {
      this.#secondStart = now
      this.#told = 0
    }
    if (this.#told < LIMITS.slowOperationsMax) {
      this.#told++
      return true
    }
    this.#dropped++
    return false
  }
}
