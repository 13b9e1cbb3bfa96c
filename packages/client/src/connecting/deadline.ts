// A point in time by which something must have happened, as an AbortSignal. Progress moves it.

/** Longest delay a Node timer takes; longer ones fire at once. */
const TIMER_MAX_MS = 0x7fff_ffff

export class Deadline {
  readonly #timeoutMs: number
  readonly #cancels: readonly AbortSignal[]
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #status: 'running' | 'reached' | 'cancelled' = 'running'

  /**
   * @param cancels signals that end it early. Listened to one by one: AbortSignal.any may forget
   * its sources when they are collected as garbage (Node 20).
   */
  constructor(timeoutMs: number, cancels: readonly AbortSignal[]) {
    this.#timeoutMs = timeoutMs
    this.#cancels = cancels
    for (const signal of cancels) signal.addEventListener('abort', this.#onCancel, { once: true })
    if (cancels.some(({ aborted }) => aborted)) this.#onCancel()
    this.extend()
  }

  /** Aborted when the time is up, or when it was cancelled. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether the time is up. */
  get isReached(): boolean {
    return this.#status === 'reached'
  }

  /** Starts the time anew. */
  extend(): void {
    clearTimeout(this.#timer)
    if (this.#status !== 'running' || this.#timeoutMs > TIMER_MAX_MS) return
    this.#timer = setTimeout(() => this.#end('reached'), this.#timeoutMs)
  }

  clear(): void {
    clearTimeout(this.#timer)
    for (const signal of this.#cancels) signal.removeEventListener('abort', this.#onCancel)
  }

  readonly #onCancel = (): void => this.#end('cancelled')

  #end(status: 'reached' | 'cancelled'): void {
    if (this.#status !== 'running') return
    this.#status = status
    clearTimeout(this.#timer)
    const cause = this.#cancels.find(({ aborted }) => aborted)?.reason
    this.#controller.abort(cause)
  }
}
