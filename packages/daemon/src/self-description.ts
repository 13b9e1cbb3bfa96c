// What a daemon says of itself: to clients in a welcome, to anybody in `partyd.json`, and in its
// status to whoever asks.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { type DaemonMode, PROTOCOL_VERSIONS, type Rendezvous, type Welcome } from '@partyd/shared'
import { PACKAGE_VERSION } from './package-version.js'

export class SelfDescription {
  /** Random, one per daemon process. */
  readonly instanceId: string = randomBytes(8).toString('hex')
  readonly #mode: DaemonMode
  readonly #startedAt = new Date().toISOString()

  constructor(mode: DaemonMode) {
    this.#mode = mode
  }

  /** The fields of a welcome that are the daemon's own. */
  get identity(): Pick<Welcome, 'version' | 'instanceId' | 'pid' | 'mode'> {
    return {
      version: PACKAGE_VERSION,
      instanceId: this.instanceId,
      pid: process.pid,
      mode: this.#mode
    }
  }

  /** @param log the path of its log file, if it has one. */
  createRendezvous(endpoint: string, log: string | undefined): Rendezvous {
    return {
      schema: 1,
      ...this.identity,
      host: hostname(),
      endpoint,
      proto: PROTOCOL_VERSIONS,
      startedAt: this.#startedAt,
      log: log ?? null
    }
  }

  /** @param fields what changes. */
  describeStatus(fields: object): object {
    return {
      schema: 1,
      ...this.identity,
      startedAt: this.#startedAt,
      memory: process.memoryUsage(),
      ...fields
    }
  }
}
