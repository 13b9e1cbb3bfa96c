// When an auto-spawned daemon ends for want of clients.

import { TIMES } from '@partyd/shared'

/** Longest delay a Node timer takes, 24 days; longer ones fire at once. */
const TIMER_MAX_MS = 0x7fff_ffff

export class IdleWatch {
  #timeoutMs: number
  readonly #onIdle: () => void
  /** When the timer fires, by `performance.now()`. */
  #endsAt = 0
  #timer: NodeJS.Timeout | undefined
  /** Whether the first client has yet to come. */
  #isFirstAwaited = false

  /** @param timeoutMs Infinity for never, as is anything beyond what a timer takes. */
  constructor(timeoutMs: number, onIdle: () => void) {
    this.#timeoutMs = timeoutMs
    this.#onIdle = onIdle
  }

  /** How long to stay without clients; Infinity for ever. */
  get timeoutMs(): number {
    return this.#timeoutMs
  }

  /** From here on; whoever changes it calls {@link update} behind it. */
  set timeoutMs(ms: number) {
    this.#timeoutMs = ms
    this.#isFirstAwaited = false
    this.stop()
  }

  /** Milliseconds until the end, if nobody comes; undefined when somebody is there, or for ever. */
  get endsInMs(): number | undefined {
    if (this.#timer === undefined) return undefined
    return Math.max(0, Math.round(this.#endsAt - performance.now()))
  }

  /** Whoever spawned us may be gone: the first client has a time limit of its own. */
  awaitFirstClient(): void {
    this.#isFirstAwaited = true
    this.#arm()
  }

  /**
   * Called whenever one of these numbers may have changed.
   * @param silent connections that may yet become a client. One that does not is no first client.
   */
  update(clients: number, silent: number): void {
    if (clients > 0) this.#isFirstAwaited = false
    if (clients + silent > 0) this.stop()
    else if (this.#timer === undefined) this.#arm()
  }

  /** From here on the end comes with the last client, unless it was never to come. */
  endWithLastClient(): void {
    if (this.#timeoutMs <= TIMER_MAX_MS) this.#timeoutMs = 0
  }

  /** How long to wait when there is nobody. */
  get #waitMs(): number {
    return this.#isFirstAwaited ? Math.max(this.#timeoutMs, TIMES.firstClient) : this.#timeoutMs
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    this.stop()
    const ms = this.#waitMs
    if (ms > TIMER_MAX_MS) return
    this.#endsAt = performance.now() + ms
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#onIdle()
    }, ms)
  }
}
