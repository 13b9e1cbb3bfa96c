// How a daemon ends well: its clients finish, then everything is given back in reverse order, the
// lock last. When to do so is the daemon's to decide.

import { rmSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type GoodbyeReason,
  locationFiles,
  removeRendezvous,
  removeToken,
  TIMES
} from '@partyd/shared'
import type { Logger } from '../log/logger.js'
import { warnOnFailure } from '../log/warn-on-failure.js'
import type { Connections } from '../session/connections.js'
import type { Engine } from '../session/engine.js'
import type { Endpoint } from '../start/endpoint.js'

export interface DrainOptions {
  readonly location: string
  readonly reason: GoodbyeReason
  readonly engine: Engine
  readonly connections: Connections
  /** Taken away from the public path already. */
  readonly endpoint: Endpoint
  readonly log: Logger
  /** Aborted when the clients are to be waited for no longer. */
  readonly hurry: AbortSignal
}

/** Resolves when the database is closed and LevelDB's lock free. */
export async function drain(options: DrainOptions): Promise<void> {
  const { location, reason, engine, connections, endpoint, log, hurry } = options
  log.info(`stopping: ${reason}`, { clients: connections.clientCount })
  const startedAt = performance.now()
  connections.sayGoodbye(reason)
  await waitForClients(connections, hurry)
  sayWhoIsLeft(connections.clientCount, log)
  endpoint.close()
  connections.destroyAll()
  await engine.sessions.removeAll()
  removeFiles(location, log)
  log.info('gave back the endpoint and the session records; closing the database')
  await log.load()
  log.leaveInPlace()
  await engine.database.close()
  log.info('stopped', { reason, ms: Math.round(performance.now() - startedAt) })
}

function sayWhoIsLeft(clients: number, log: Logger): void {
  if (clients === 0) log.info('all clients have left')
  else log.warn('waits for its clients no longer', { clients })
}

/** Clients that have been told go by themselves; whoever just connected is told too. */
async function waitForClients(connections: Connections, hurry: AbortSignal): Promise<void> {
  // A timer of our own: AbortSignal.any forgets a time-out when it is collected as garbage (Node 20).
  let timer: NodeJS.Timeout | undefined
  const givenUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, TIMES.drain)
    hurry.addEventListener('abort', () => resolve(), { once: true })
  })
  const settled = Promise.all([sleep(TIMES.acceptTail), connections.awaitNoClients()])
  await Promise.race([settled, givenUp])
  clearTimeout(timer)
}

/** One that has to stay keeps neither the others nor the lock. */
function removeFiles(location: string, log: Logger): void {
  const { exit, spawnLock } = locationFiles(location)
  warnOnFailure(log, () => removeRendezvous(location))
  warnOnFailure(log, () => removeToken(location))
  warnOnFailure(log, () => rmSync(exit, { force: true }))
  warnOnFailure(log, () => removeDeserted(spawnLock))
}

/** Whoever holds a spawn lock refreshes it every second. */
function removeDeserted(spawnLock: string): void {
  if (!isOlderThan(spawnLock, 2.5 * TIMES.spawnLockUpdate)) return
  rmSync(spawnLock, { recursive: true, force: true })
}

function isOlderThan(path: string, ms: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs > ms
}
