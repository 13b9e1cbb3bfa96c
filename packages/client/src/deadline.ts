// A point in time by which something must have happened, as an AbortSignal. Progress moves it.

/** Longest delay a Node timer takes; longer ones fire at once. */
const TIMER_MAX_MS = 0x7fff_ffff

export class Deadline {
  readonly #timeoutMs: number
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined
  readonly #signal: AbortSignal

  /** @param cancel ends it early. */
  constructor(timeoutMs: number, cancel: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    const own = this.#controller.signal
    this.#signal = cancel === undefined ? own : AbortSignal.any([own, cancel])
    this.extend()
  }

  /** Aborted when the time is up, or when it was cancelled. */
  get signal(): AbortSignal {
    return this.#signal
  }

  /** Whether the time is up. */
  get isReached(): boolean {
    return this.#controller.signal.aborted
  }

  /** Starts the time anew. */
  extend(): void {
    clearTimeout(this.#timer)
    if (this.#timeoutMs > TIMER_MAX_MS) return
    this.#timer = setTimeout(() => this.#controller.abort(), this.#timeoutMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
