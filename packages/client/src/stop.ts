// Stopping the daemon of a location from outside, by request.

import { existsSync, realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Channel,
  createHello,
  type Dialled,
  dial,
  FrameWriter,
  findEndpoint,
  findLockHolder,
  KIND,
  PartyError,
  readRendezvous,
  TIMES
} from '@partyd/shared'
import { PACKAGE_VERSION } from './package-version.js'

/**
 * Resolves when no daemon holds LevelDB's lock of the location: at once when none runs.
 * @throws PartyError when a daemon is there but cannot be reached.
 */
export async function stop(directory: string): Promise<void> {
  if (!existsSync(directory)) return
  const location = realpathSync.native(directory)
  const pid = readRendezvous(location)?.pid
  const endpoint = findEndpoint(location)
  const signal = AbortSignal.timeout(TIMES.connect)
  const result = await dial(endpoint, createHello('control', PACKAGE_VERSION), signal)
  if (result.status === 'welcome') await requestStop(result)
  else if (result.status !== 'absent' && result.status !== 'leaving') {
    const code = result.status === 'forbidden' ? 'PARTYD_PERMISSION' : 'PARTYD_UNRESPONSIVE'
    const message = `Cannot stop the daemon of ${location}: ${result.cause.message}`
    throw new PartyError(code, message, { path: location, pid, endpoint, cause: result.cause })
  }
  await lockReleased(location, pid)
}

/** Resolves when the daemon says that it has let go, or is gone. */
function requestStop({ socket }: Dialled): Promise<void> {
  return new Promise((resolve) => {
    const channel = new Channel(socket, {
      onFrame: () => channel.end(),
      isSaturated: () => false,
      onClose: () => resolve()
    })
    const writer = new FrameWriter()
    writer.begin(KIND.stop, 1)
    writer.end()
    channel.send(writer.chunk, writer.start, writer.position)
  })
}

/** A daemon that somebody else stopped may still be about it, out of reach. Only Linux can tell. */
async function lockReleased(location: string, pid: number | undefined): Promise<void> {
  if (pid === undefined) return
  while (findLockHolder(location)?.pid === pid) await sleep(TIMES.backoffFirst)
}
