// What the daemon's life cycle and a connection see of each other, whichever kind of peer is behind it.

import type { Configuration, GoodbyeReason, HelloMode, Welcome } from '@partyd/shared'
import type { Credential } from '../start/credential.js'
import type { Engine } from './engine.js'

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

/** Has asked the daemon to stop, and waits to hear that the lock is free. */
export interface StopRequester {
  answerStop(): void
}

/** The daemon as its connections see it. */
export interface ConnectionHost {
  readonly engine: Engine
  readonly credential: Credential
  isServing(): boolean
  /** Whether a client that has just come can be served: not when the daemon is on its way out. */
  welcomeClient(): boolean
  /** The fields of a welcome that are the daemon's own. */
  readonly identity: Pick<Welcome, 'version' | 'instanceId' | 'pid' | 'mode' | 'options'>
  describeStatus(): object
  /** @returns what is in force from then on. */
  configure(configuration: Configuration): Configuration
  /** A client has become one, or has said that it needs no more answers. */
  onClientChange(): void
  /** The peer wants the daemon to stop and keeps the connection open to hear when the lock is free. */
  onStopRequest(requester: StopRequester): void
  onClosed(connection: Connection, error: Error | undefined): void
}
