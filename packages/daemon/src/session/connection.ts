// What the daemon's life cycle sees of a connection, whichever kind of peer is behind it.

import type { GoodbyeReason } from '@partyd/shared'

export interface Connection {
  /** Whether it keeps an auto-spawned daemon from ending. */
  readonly isClient: boolean
  /** The daemon is about to go: no further operations, please. */
  sayGoodbye(reason: GoodbyeReason, message?: string): void
  /** Closes it, after what has been sent to it. */
  end(): void
  destroy(): void
}
