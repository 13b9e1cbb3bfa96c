// All connections of the daemon: admits them, counts the clients among them, and says goodbye.

import type { Socket } from 'node:net'
import { currentPlatform, type GoodbyeReason, isConnectingPrivate, LIMITS } from '@partyd/shared'
import type { Logger } from '../log/logger.js'
import type { ClientDescription, Connection, ConnectionHost } from './connection.js'
import { GuestConnection } from './guest-connection.js'
import { PartyConnection } from './party-connection.js'
import { recognizePeer } from './peer.js'

/** What the daemon provides; the rest of a connection's host is here. */
export type ConnectionsOwner = Omit<ConnectionHost, 'onClosed'> & { readonly log: Logger }

export class Connections {
  readonly #owner: ConnectionsOwner
  readonly #host: ConnectionHost
  readonly #connections = new Set<Connection>()
  /** Sockets that have not sent a byte, oldest first. */
  readonly #silent = new Set<Socket>()
  #whenNoClients: (() => void)[] = []

  constructor(owner: ConnectionsOwner) {
    this.#owner = owner
    const onClosed = (connection: Connection, error: Error | undefined): void =>
      this.#onClosed(connection, error)
    this.#host = {
      engine: owner.engine,
      credential: owner.credential,
      identity: owner.identity,
      isServing: () => owner.isServing(),
      welcomeClient: () => owner.welcomeClient(),
      describeStatus: () => owner.describeStatus(),
      configure: (configuration) => owner.configure(configuration),
      onClientChange: () => this.#onClientChange(),
      onStopRequest: (connection) => owner.onStopRequest(connection),
      onClosed
    }
  }

  get clientCount(): number {
    let count = 0
    for (const connection of this.#connections) if (connection.isClient) count++
    return count
  }

  /** The clients, oldest first; of many only the first. */
  describeClients(): ClientDescription[] {
    return [...this.#connections]
      .filter(({ isClient }) => isClient)
      .slice(0, LIMITS.clientsDescribedMax)
      .map(({ description }) => description)
  }

  /** Connections that may yet become a client. */
  get silentCount(): number {
    return this.#silent.size
  }

  /** Takes over a socket that was just accepted. */
  async admit(socket: Socket): Promise<void> {
    socket.on('error', () => {}) // Every error is followed by 'close', which is what counts.
    this.#addSilent(socket)
    const kind = await recognizePeer(socket, () => this.#silent.delete(socket))
    this.#silent.delete(socket)
    if (kind === 'party') {
      this.#connections.add(new PartyConnection(socket, this.#host))
    } else if (kind === 'guest' && !this.#mayAdmitGuest()) {
      socket.destroy()
    } else if (kind === 'guest') {
      await this.#admitGuest(socket)
    }
    this.#onClientChange()
  }

  /** A guest has no way to prove anything. Where sockets have a mode, it need not. */
  #mayAdmitGuest(): boolean {
    const { credential, log } = this.#owner
    if (!credential.isNeeded || isConnectingPrivate(currentPlatform())) {
      return this.#owner.welcomeClient()
    }
    log.warn('refused a many-level guest: it cannot prove that it knows partyd.token')
    return false
  }

  async #admitGuest(socket: Socket): Promise<void> {
    try {
      this.#connections.add(await GuestConnection.accept(socket, this.#host))
    } catch (error) {
      // The guest has gone meanwhile, which Node 24 throws for.
      if (socket.destroyed) return
      // many-level is loaded late, and its files may have gone: that is no reason to end.
      this.#owner.log.error('cannot serve a many-level guest', { err: error })
      socket.destroy()
    }
  }

  sayGoodbye(reason: GoodbyeReason, message?: string): void {
    for (const socket of this.#silent) socket.destroy()
    for (const connection of this.#connections) connection.sayGoodbye(reason, message)
  }

  /** Records of others have been removed: clients compare generations when they come back. */
  sayGeneration(generation: string): void {
    for (const connection of this.#connections) {
      if (connection instanceof PartyConnection) connection.sayGeneration(generation)
    }
  }

  /** Resolves when there is no client any more. */
  async awaitNoClients(): Promise<void> {
    if (this.clientCount === 0) return
    await new Promise<void>((resolve) => this.#whenNoClients.push(resolve))
  }

  /** Closes everything but those who asked for the stop and wait to hear of it. */
  destroyAll(): void {
    for (const connection of this.#connections) {
      if (!(connection instanceof PartyConnection && connection.isStopping)) connection.destroy()
    }
  }

  #addSilent(socket: Socket): void {
    this.#silent.add(socket)
    this.#owner.onClientChange()
    if (this.#silent.size <= LIMITS.silentConnectionsMax) return
    const [oldest = socket] = this.#silent
    // Not when it has closed: many may be accepted before that, and each takes another one's place.
    this.#silent.delete(oldest)
    oldest.destroy()
  }

  #onClosed(connection: Connection, error: Error | undefined): void {
    this.#connections.delete(connection)
    if (error !== undefined) {
      this.#owner.log.warn(`closed a connection: ${error.message}`)
    }
    this.#onClientChange()
  }

  #onClientChange(): void {
    this.#owner.onClientChange()
    if (this.clientCount > 0) return
    for (const resolve of this.#whenNoClients.splice(0)) resolve()
  }
}
