// From a claimed database to a daemon that clients can find: engine, credential, connections, endpoint
// and `partyd.json`, in this order, and undone in reverse where one of them is not to be had.

import { createServer, type Server } from 'node:net'
import {
  currentPlatform,
  type DatabaseOptions,
  defaultEndpoint,
  locationFiles,
  type Rendezvous,
  removeToken,
  resolveDatabaseOptions,
  writeRendezvous
} from '@partyd/shared'
import type { Logger } from '../log/logger.js'
import type { SlowOperations } from '../log/slow-operations.js'
import { warnOnFailure } from '../log/warn-on-failure.js'
import type { SelfDescription } from '../self-description.js'
import type { ListeningSocket } from '../service/listen-fds.js'
import { Connections, type ConnectionsOwner } from '../session/connections.js'
import type { Engine } from '../session/engine.js'
import type { Database } from '../store/database.js'
import { Credential } from './credential.js'
import { Endpoint } from './endpoint.js'
import { openEngine } from './open-engine.js'
import { writeError } from './start-error.js'

export interface PublishOptions {
  readonly location: string
  readonly databaseOptions: DatabaseOptions
  /** The socket that the service manager has handed over, if so. */
  readonly listening: ListeningSocket | undefined
  readonly description: SelfDescription
  readonly log: Logger
  /** Path of the log, if it is a file. */
  readonly logFile: string | undefined
  readonly slowOperations: SlowOperations
  /** Aborted when the daemon is not to serve after all. */
  readonly signal: AbortSignal
  readonly owner: PublishOwner
}

/** The daemon, as far as its parts have to know it. */
export interface PublishOwner
  extends Omit<ConnectionsOwner, 'engine' | 'credential' | 'identity' | 'log'> {
  /** LevelDB failed to write: nothing may be answered or written any more. */
  onWriteFailed(error: Error): void
}

/** What serving needs. */
export interface Published {
  readonly engine: Engine
  readonly credential: Credential
  readonly connections: Connections
  readonly endpoint: Endpoint
}

/**
 * @throws StartError with what is wrong; the signal's reason. The database is left open, and nobody
 * can find it.
 */
export function publish(database: Database, options: PublishOptions): Promise<Published> {
  return new Publication(database, options).run()
}

class Publication {
  readonly #database: Database
  readonly #options: PublishOptions
  #engine: Engine | undefined
  #connections: Connections | undefined
  #endpoint: Endpoint | undefined

  constructor(database: Database, options: PublishOptions) {
    this.#database = database
    this.#options = options
  }

  async run(): Promise<Published> {
    try {
      return await this.#publish()
    } catch (error) {
      await this.#undo()
      throw error
    }
  }

  async #publish(): Promise<Published> {
    const { location, description, logFile, signal } = this.#options
    const engine = await this.#openEngine()
    this.#engine = engine
    const credential = new Credential(location)
    // A pipe can be found as soon as it is bound.
    credential.protect(defaultEndpoint(location, currentPlatform()))
    const connections = this.#createConnections(engine, credential)
    this.#connections = connections
    const endpoint = await this.#bind(connections)
    this.#endpoint = endpoint
    signal.throwIfAborted()
    credential.protect(endpoint.path)
    endpoint.publish()
    this.#writeRendezvous(description.createRendezvous(endpoint.path, logFile))
    return { engine, credential, connections, endpoint }
  }

  #writeRendezvous(rendezvous: Rendezvous): void {
    const { location } = this.#options
    try {
      writeRendezvous(location, rendezvous)
    } catch (error) {
      throw writeError(locationFiles(location).rendezvous, error as Error)
    }
  }

  /** Nobody may find what is about to be closed. */
  async #undo(): Promise<void> {
    const { location, log } = this.#options
    warnOnFailure(log, () => this.#endpoint?.unpublish())
    this.#endpoint?.close()
    await this.#engine?.sessions.undoOpen()
    warnOnFailure(log, () => removeToken(location))
  }

  #openEngine(): Promise<Engine> {
    const { location, databaseOptions, slowOperations, log, owner } = this.#options
    return openEngine(this.#database, location, {
      slowOperations,
      syncByDefault: databaseOptions.sync === true,
      onWriteFailed: (error) => owner.onWriteFailed(error),
      onGeneration: (generation) => this.#connections?.sayGeneration(generation),
      onFault: (fault) => log.error('the disk has failed an operation', fault),
      onUnreadable: (error) => log.error('cannot remove session records', { err: error })
    })
  }

  #createConnections(engine: Engine, credential: Credential): Connections {
    const { databaseOptions, description, log, owner } = this.#options
    const identity = { ...description.identity, options: resolveDatabaseOptions(databaseOptions) }
    return new Connections({ ...owner, engine, credential, log, identity })
  }

  #bind(connections: Connections): Promise<Endpoint> {
    const { location, listening, log } = this.#options
    const create = (): Server => createPublicServer(connections, log)
    return listening === undefined
      ? Endpoint.bind(location, create)
      : Endpoint.adopt(listening, create)
  }
}

function createPublicServer(connections: Connections, log: Logger): Server {
  const server = createServer((socket) => void connections.admit(socket))
  // The kernel may run out of descriptors; those who wait in the backlog get their turn later.
  server.on('error', (error) => log.warn(`cannot accept a connection: ${error.message}`))
  return server
}
