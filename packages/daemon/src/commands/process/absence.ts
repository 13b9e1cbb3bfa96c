// Why nobody serves a location, as far as its files and the kernel tell. Nothing is changed.

import { existsSync, lstatSync, realpathSync } from 'node:fs'
import {
  describeHold,
  type ExitRecord,
  findEndpoint,
  findLockHolder,
  type Hold,
  isDaemonProcess,
  peekHold,
  readExitRecord,
  readRendezvous
} from '@partyd/shared'
import { commandLineOf, isSuspended } from './process-table.js'

/** Who has LevelDB's lock. */
export interface LockOwner {
  /** Undefined where the kernel does not tell. */
  readonly pid: number | undefined
  readonly command: string | undefined
  /** Whether it has a daemon's title. */
  readonly isDaemon: boolean
}

export interface Absence {
  readonly lastExit: ExitRecord | undefined
  readonly hold: Hold | undefined
  readonly lockOwner: LockOwner | undefined
  /** Of a daemon that was killed, for nobody holds the lock: the socket that it has left. */
  readonly staleSocket: string | undefined
}

export function findAbsence(directory: string): Absence {
  if (!existsSync(directory)) return NOTHING
  const location = realpathSync.native(directory)
  const lockOwner = findLockOwner(location)
  return {
    lastExit: readExitRecord(location),
    hold: peekHold(location),
    lockOwner,
    staleSocket: lockOwner === undefined ? findStaleSocket(location) : undefined
  }
}

const NOTHING: Absence = {
  lastExit: undefined,
  hold: undefined,
  lockOwner: undefined,
  staleSocket: undefined
}

/** A daemon that ends takes its socket and its `partyd.json` away. */
function findStaleSocket(location: string): string | undefined {
  const endpoint = findEndpoint(location)
  return readRendezvous(location) !== undefined && isSocket(endpoint) ? endpoint : undefined
}

function isSocket(path: string): boolean {
  try {
    // The plain form would keep Node's realpath from resolving links.
    return lstatSync(path, { bigint: true }).isSocket()
  } catch {
    return false
  }
}

/** Why nobody has answered, in words rather than those of the system call. */
export function describeReason(reason: string): string {
  const endpoint = /^connect (?:ENOENT|ECONNREFUSED) (.+)$/.exec(reason)?.[1]
  return endpoint === undefined ? reason : `no daemon listens at ${endpoint}`
}

export function findLockOwner(location: string): LockOwner | undefined {
  const holder = findLockHolder(location)
  if (holder === undefined) return undefined
  const { pid } = holder
  if (pid === undefined) return { pid, command: undefined, isDaemon: false }
  return { pid, command: commandLineOf(pid), isDaemon: isDaemonProcess(pid) }
}

/** For people, by name; what there is nothing to say about is undefined. */
export function describeAbsence(absence: Absence): Record<string, unknown> {
  const { lastExit, hold, lockOwner, staleSocket } = absence
  return {
    'last exit': lastExit && `${lastExit.at}, code ${lastExit.code}: ${lastExit.reason}`,
    hold: hold && describeHold(hold),
    lock: lockOwner && describeLockOwner(lockOwner),
    'last daemon': staleSocket && `was killed: its socket ${staleSocket} is left`
  }
}

/** @param state what a daemon is doing that has the lock, as far as is known. */
export function describeLockOwner(
  { pid, command, isDaemon }: LockOwner,
  state = 'that is starting or ending'
): string {
  if (pid === undefined) return 'held by a process that the kernel does not name here'
  if (isDaemon && isSuspended(pid)) return `held by pid ${pid}, a daemon that has been stopped`
  if (isDaemon) return `held by pid ${pid}, a daemon ${state}`
  return `held by pid ${pid}, which is not partyd: ${command ?? 'unknown'}`
}
