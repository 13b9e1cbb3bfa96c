// The order of one session's operations: they take effect in the order issued. A read waits for
// the session's earlier writes, a write for its earlier reads, and everything for a clear.

import type { CommitQueue, Write } from '../store/commit-queue.js'
import { type ClearOptions, ClearWrite, DataWrite, type OnCommitted } from '../store/writes.js'

/** An operation that waits for those before it. `clear` is both: it reads first and then writes. */
type HeldOperation =
  | { readonly kind: 'read'; readonly run: () => void }
  | { readonly kind: 'write'; readonly write: Write }
  | { readonly kind: 'clear'; readonly write: Write }

export class SessionOrder {
  readonly #queue: CommitQueue
  /** Writes in the commit queue. */
  #uncommitted = 0
  #pendingBytes = 0
  #status: 'flowing' | 'clearing' = 'flowing'
  readonly #held: HeldOperation[] = []

  constructor(queue: CommitQueue) {
    this.#queue = queue
  }

  /** Whether a read may run at once. */
  get isReadable(): boolean {
    return this.#uncommitted === 0 && this.#held.length === 0
  }

  /** Operations that are not done, but for reads under way. */
  get pendingOperations(): number {
    return this.#uncommitted + this.#held.length
  }

  /** Bytes of the puts and dels among them. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  read(run: () => void): void {
    if (this.isReadable) run()
    else this.#held.push({ kind: 'read', run })
  }

  /** @param pairs key, value, key, value, …; a missing value deletes. */
  write(pairs: readonly (Buffer | undefined)[], sync: boolean, onCommitted: OnCommitted): void {
    const write = new DataWrite(pairs, sync, (error) => {
      this.#pendingBytes -= write.bytes
      onCommitted(error)
      this.#onCommitted()
    })
    this.#pendingBytes += write.bytes
    if (this.#held.length === 0 && this.#status === 'flowing') this.#enqueue(write)
    else this.#held.push({ kind: 'write', write })
  }

  clear(options: ClearOptions, onCommitted: OnCommitted): void {
    const write = new ClearWrite(options, (error) => {
      this.#status = 'flowing'
      onCommitted(error)
      this.#onCommitted()
    })
    this.#held.push({ kind: 'clear', write })
    this.#release()
  }

  #enqueue(write: Write): void {
    this.#uncommitted++
    this.#queue.enqueue(write)
  }

  #onCommitted(): void {
    this.#uncommitted--
    this.#release()
  }

  /** Lets go of what has waited long enough, in order. */
  #release(): void {
    for (let held = this.#held[0]; held !== undefined; held = this.#held[0]) {
      if (this.#status === 'clearing') return
      if (held.kind !== 'write' && this.#uncommitted > 0) return
      this.#held.shift()
      if (held.kind === 'read') {
        held.run()
      } else {
        if (held.kind === 'clear') this.#status = 'clearing'
        this.#enqueue(held.write)
      }
    }
  }
}
