// Tells whoever watches what has been written: batch by batch, in the order committed, and before
// anybody is answered. Who watches what, and how it is told, is the watchers' own to know.

import type { Write } from './write.js'
import type { Pairs } from './writes.js'

/** What one write has put and deleted; a batch of LevelDB holds many of them. */
export interface CommittedWrite {
  /** Counts all writes that have been published. */
  readonly seq: number
  readonly pairs: Pairs
}

export interface Watcher {
  /** These are in the database now. */
  onCommitted(writes: readonly CommittedWrite[]): void
}

export class WatchHub {
  readonly #watchers = new Set<Watcher>()
  #seq = 0

  add(watcher: Watcher): void {
    this.#watchers.add(watcher)
  }

  delete(watcher: Watcher): void {
    this.#watchers.delete(watcher)
  }

  publish(group: readonly Write[]): void {
    // Whoever writes pays for this line, and for nothing else, while nobody watches.
    if (this.#watchers.size === 0) return
    const writes: CommittedWrite[] = []
    for (const { pairs } of group) {
      if (pairs !== undefined && pairs.length > 0) writes.push({ seq: ++this.#seq, pairs })
    }
    if (writes.length === 0) return
    for (const watcher of this.#watchers) watcher.onCommitted(writes)
  }
}
