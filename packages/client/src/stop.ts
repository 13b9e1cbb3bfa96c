// Stopping the daemon of a location from outside, by request.

import { existsSync, realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ask,
  createHello,
  type DialFailure,
  dial,
  findEndpoint,
  findLockHolder,
  isDaemonProcess,
  KIND,
  PartyError,
  readRendezvous,
  TIMES
} from '@partyd/shared'
import { Backoff } from './backoff.js'
import { Deadline } from './deadline.js'
import { PACKAGE_VERSION } from './package-version.js'

/**
 * Resolves when no daemon holds LevelDB's lock of the location: at once when none runs.
 * @throws PartyError when a daemon is there but cannot be reached.
 */
export async function stop(directory: string): Promise<void> {
  if (!existsSync(directory)) return
  const location = realpathSync.native(directory)
  const pid = readRendezvous(location)?.pid
  const deadline = new Deadline(TIMES.connect, [])
  try {
    await stopDaemon(location, deadline)
  } finally {
    deadline.clear()
  }
  await lockReleased(location, pid)
}

async function stopDaemon(location: string, deadline: Deadline): Promise<void> {
  const backoff = new Backoff()
  for (;;) {
    const endpoint = findEndpoint(location)
    const hello = createHello('control', PACKAGE_VERSION)
    const result = await dial(endpoint, hello, deadline.signal)
    if (result.status === 'welcome') {
      // Answered when the lock is free; a daemon that ends without an answer has let go, too.
      await ask(result.socket, KIND.stop)
      return
    }
    if (result.status === 'absent') return
    const isHopeless = result.status === 'forbidden' || result.status === 'refused'
    if (isHopeless || deadline.isReached) throw cannotStop(location, endpoint, result)
    // It may be on its way out, or have been killed while it answered.
    await sleep(backoff.next())
  }
}

function cannotStop(
  location: string,
  endpoint: string,
  { status, cause }: DialFailure
): PartyError {
  const code = status === 'forbidden' ? 'PARTYD_PERMISSION' : 'PARTYD_UNRESPONSIVE'
  const pid = readRendezvous(location)?.pid
  const message = `Cannot stop the daemon of ${location}: ${cause.message}`
  return new PartyError(code, message, { path: location, pid, endpoint, cause })
}

/** A daemon that somebody else stopped may still be about it, out of reach. Only Linux can tell. */
async function lockReleased(location: string, pid: number | undefined): Promise<void> {
  const holder = pid ?? findUnpublishedDaemon(location)
  while (holder !== undefined && findLockHolder(location)?.pid === holder) {
    // It was not ending but starting, and can be told to stop by now.
    if (pid === undefined && readRendezvous(location)?.pid === holder) return stop(location)
    await sleep(TIMES.backoffFirst)
  }
}

/** While a daemon closes the database, only LevelDB's lock and its own title are left to see. */
function findUnpublishedDaemon(location: string): number | undefined {
  const pid = findLockHolder(location)?.pid
  return pid !== undefined && isDaemonProcess(pid) ? pid : undefined
}
