// Notices that a daemon which is connected says nothing any more, and that operations have been in
// trouble for too long. Decides nothing about the daemon: a silent one may only be stopped.

import { TIMES } from '@partyd/shared'

/** What liveness watches. */
export interface LivenessOwner {
  readonly isConnected: boolean
  /** Whether anybody waits for anything. */
  readonly isAwaited: boolean
  /** Asks the daemon for a sign of life. */
  ping(): void
  /** The daemon has not answered a ping. */
  onSilent(): void
  /** Every pending operation is in trouble, from now on if it was not before. */
  onTrouble(now: number): void
  /** The daemon has answered a ping: whatever takes long takes long for a good reason. */
  onRecovered(): void
  /** Fails the operations that have been in trouble since before `horizon`. */
  expire(horizon: number): void
}

export class Liveness {
  readonly #owner: LivenessOwner
  readonly #timeoutMs: number
  #status: 'resting' | 'listening' | 'pinged' | 'silent' = 'resting'
  #timer: NodeJS.Timeout | undefined
  /** Whether anything was heard since the last look; a flag, because it is set for every frame. */
  #hasHeard = false
  /** Times are of the monotonic clock: the one on the wall may be set. */
  #heardAt = 0

  /** @param timeoutMs how long an operation may be in trouble. */
  constructor(timeoutMs: number, owner: LivenessOwner) {
    this.#timeoutMs = timeoutMs
    this.#owner = owner
  }

  /** Begins to watch, if it does not already. */
  start(): void {
    if (this.#timer !== undefined) return
    this.#heardAt = performance.now()
    const period = Math.min(TIMES.livenessLook, Math.max(this.#timeoutMs / 4, 10))
    this.#timer = setInterval(() => this.#look(), period).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#status = 'resting'
  }

  /** Another daemon, or the same again: what the last link said or did not say counts no more. */
  onLink(): void {
    this.#status = 'resting'
    this.#hasHeard = false
  }

  /** A frame has arrived. */
  hear(): void {
    this.#hasHeard = true
  }

  #look(): void {
    if (!this.#owner.isAwaited) return this.stop()
    const now = performance.now()
    if (this.#owner.isConnected) this.#listen(now)
    else this.#status = 'resting'
    const isInTrouble = !this.#owner.isConnected || this.#status === 'silent'
    if (!isInTrouble) return
    this.#owner.onTrouble(now)
    this.#owner.expire(now - this.#timeoutMs)
  }

  #listen(now: number): void {
    if (this.#hasHeard) {
      this.#hasHeard = false
      this.#heardAt = now
      if (this.#status === 'pinged' || this.#status === 'silent') this.#owner.onRecovered()
      this.#status = 'listening'
    } else if (this.#status === 'resting') {
      // A new link: silence is counted from here.
      this.#heardAt = now
      this.#status = 'listening'
    } else if (this.#status === 'listening' && now - this.#heardAt >= TIMES.heartbeat) {
      this.#status = 'pinged'
      this.#heardAt = now
      this.#owner.ping()
    } else if (this.#status === 'pinged' && now - this.#heardAt >= TIMES.heartbeat) {
      this.#status = 'silent'
      this.#owner.onSilent()
    }
  }
}
