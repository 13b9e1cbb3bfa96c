// What the daemon's life cycle sees of a connection, whichever kind of peer is behind it.

import type { GoodbyeReason, HelloMode } from '@partyd/shared'

/** A client as the daemon knows it, for people who ask who is connected. */
export interface ClientDescription {
  readonly mode: HelloMode | 'guest'
  /** Of its process and its package, if it told them: guests do not. */
  readonly pid?: number | undefined
  readonly version?: string | undefined
  readonly connectedMs: number
}

export interface Connection {
  readonly description: ClientDescription
  /** Whether it keeps an auto-spawned daemon from ending. */
  readonly isClient: boolean
  /** The daemon is about to go: no further operations, please. */
  sayGoodbye(reason: GoodbyeReason, message?: string): void
  /** Closes it, after what has been sent to it. */
  end(): void
  destroy(): void
}
