// Stopping the daemon of a location from outside, by request. Whatever state the daemon is in, it is
// asked until it has heard, and waited for until it has let go of LevelDB's lock.

import { existsSync, realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyError } from './errors.js'
import { TIMES } from './limits.js'
import { findLockHolder, isDaemonProcess, isLockListed } from './lock-holder.js'
import { ask } from './protocol/control.js'
import { createHello, type DialFailure, type Dialled, dial } from './protocol/dial.js'
import { KIND } from './protocol/kind.js'
import { findEndpoint, readRendezvous } from './rendezvous.js'

/** What a stop found. */
export interface Stopped {
  /** The daemon that has ended; undefined when there was none. */
  readonly pid: number | undefined
}

/**
 * Resolves when no daemon holds LevelDB's lock of the location: at once when none runs. One that is
 * opening the database is told once it can be; one that somebody else has stopped is waited for.
 * @param version the caller's package version, for the daemon's log.
 * @param timeoutMs how long to wait. Default: a minute.
 * @throws PartyError `PARTYD_PERMISSION`, `PARTYD_INCOMPATIBLE`; `PARTYD_UNRESPONSIVE` when the daemon
 * does not answer for 15 s, or has not let go in time; `PARTYD_PROTOCOL` when its answer makes no sense.
 */
export async function stopDaemon(
  directory: string,
  version: string,
  timeoutMs: number = TIMES.stop
): Promise<Stopped> {
  if (!existsSync(directory)) return { pid: undefined }
  const location = realpathSync.native(directory)
  const published = readRendezvous(location)?.pid
  const giveUpAt = performance.now() + timeoutMs
  let daemon: number | undefined
  for (;;) {
    // Only Linux can tell who holds the lock; elsewhere the dial has the last word.
    if (daemon !== undefined && isLockListed(location, daemon) !== true) return { pid: daemon }
    const leftMs = Math.max(0, giveUpAt - performance.now())
    const silence = AbortSignal.timeout(Math.min(TIMES.connect, Math.ceil(leftMs)))
    const result = await dial(
      location,
      findEndpoint(location),
      createHello('control', version),
      silence
    )
    if (result.status === 'welcome') {
      daemon = result.welcome.pid
      if (await isStopped(result, location, Math.max(0, giveUpAt - performance.now())))
        return { pid: daemon }
    } else {
      daemon ??= findDaemon(location, published)
      if (result.status === 'absent' && daemon === undefined) return { pid: undefined }
      const isHopeless = result.status === 'forbidden' || result.status === 'refused'
      const isOver = silence.aborted || performance.now() >= giveUpAt
      if (isHopeless || isOver) throw cannotStop(location, daemon, result)
    }
    await sleep(TIMES.backoffFirst)
  }
}

/**
 * @returns whether it said so: it may also end without an answer.
 * @throws PartyError when it does neither.
 */
async function isStopped(
  { socket, welcome }: Dialled,
  location: string,
  timeoutMs: number
): Promise<boolean> {
  let isOver = false
  const timer = setTimeout(() => {
    isOver = true
    socket.destroy()
  }, timeoutMs)
  const answer = await ask(socket, KIND.stop).finally(() => clearTimeout(timer))
  if (!isOver) return answer !== undefined
  const cause = new Error(`it has not ended ${Math.round(timeoutMs)} ms after it was told to`)
  throw cannotStop(location, welcome.pid, { status: 'busy', cause })
}

/**
 * The daemon that holds the lock, be it out of reach: starting, draining, or closing the database,
 * when only the lock and its own title are left to see.
 */
function findDaemon(location: string, published: number | undefined): number | undefined {
  const pid = findLockHolder(location)?.pid
  return pid !== undefined && (pid === published || isDaemonProcess(pid)) ? pid : undefined
}

function cannotStop(
  location: string,
  daemon: number | undefined,
  { status, cause }: DialFailure
): PartyError {
  const pid = daemon ?? readRendezvous(location)?.pid
  const who = pid === undefined ? 'the daemon' : `the daemon (pid ${pid})`
  const message = `Cannot stop ${who} of ${location}: ${cause.message}`
  const details = { path: location, pid, endpoint: findEndpoint(location), cause }
  if (status === 'forbidden') return new PartyError('PARTYD_PERMISSION', message, details)
  if (status === 'refused' && cause instanceof PartyError) {
    return new PartyError(cause.code, message, details)
  }
  return new PartyError('PARTYD_UNRESPONSIVE', message, details)
}
