// What can be seen of a location from outside, without touching anything in it: files, the kernel's
// tables, and the daemon's own answers. What it means is in findings.ts.

import {
  accessSync,
  type BigIntStats,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statfsSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import {
  currentPlatform,
  defaultEndpoint,
  type ExitRecord,
  findEndpoint,
  type Hold,
  hasLostCurrent,
  KIND,
  locationFiles,
  peekHold,
  type Rendezvous,
  readExitRecord,
  readRendezvous
} from '@partyd/shared'
import { describeFileSystem, type FileSystem } from '../../start/file-system.js'
import { describeReason, findLockOwner, type LockOwner } from '../process/absence.js'
import { askDaemon, type DaemonAnswer } from '../process/ask-daemon.js'
import type { DaemonStatus } from '../process/daemon-status.js'
import { isForbidden } from '../process/find-directory.js'
import { isSuspended, serviceOf } from '../process/process-table.js'

/** What is at a path: its kind, its owner and who may use it. */
export interface PathFacts {
  readonly path: string
  readonly kind: 'directory' | 'socket' | 'file' | 'missing' | 'unreadable'
  readonly uid?: number
  /** The permission bits, with the sticky one and its like. */
  readonly mode?: number
}

/** What belongs to the database, and whether this user can work with it. */
export interface UsableFacts extends PathFacts {
  /** Why it cannot be read or written, in the kernel's code; undefined when it can. */
  readonly obstacle?: string | undefined
}

/** How the daemon behaves towards somebody who asks. */
export type DaemonFacts =
  | { readonly state: 'running'; readonly status: DaemonStatus }
  | { readonly state: 'not-running'; readonly reason: string }
  | { readonly state: 'refusing'; readonly reason: string }
  | {
      readonly state: 'unresponsive'
      readonly reason: string
      /** The daemon that is known there, if one is. */
      readonly pid: number | undefined
      readonly endpoint: string | undefined
    }

export interface LocationFacts {
  readonly location: string
  readonly directory: UsableFacts
  /** Whether LevelDB has made a database of it; undefined when this user may not look. */
  readonly isDatabase: boolean | undefined
  /** Whether there was one, and its file CURRENT is lost. */
  readonly hasLostCurrent: boolean
  /** Those that LevelDB has to have. */
  readonly databaseFiles: readonly UsableFacts[]
  readonly freeBytes: number | undefined
  readonly fileSystem: FileSystem
  /** Whether LevelDB's lock file is there. */
  readonly hasLock: boolean
  readonly lockOwner: LockOwner | undefined
  readonly isLockOwnerSuspended: boolean
  readonly rendezvous: Rendezvous | undefined
  readonly endpoint: PathFacts
  /** Bytes of the path that the endpoint would have in the location. */
  readonly endpointPathBytes: number
  /** The directory of the endpoint, if it is not the location. */
  readonly endpointDirectory: PathFacts | undefined
  readonly daemon: DaemonFacts
  /** The systemd service that ends the daemon with itself. */
  readonly service: string | undefined
  readonly lastExit: ExitRecord | undefined
  readonly hold: Hold | undefined
  /** A hold that is over and whose file is still there. */
  readonly hasExpiredHold: boolean
  /** Why clients start no daemon for now, and until when, in milliseconds since 1970. */
  readonly startFailure: StartFailure | undefined
  /** Private sockets that nobody will publish any more. */
  readonly staleSockets: readonly string[]
}

export interface StartFailure {
  readonly code: string
  readonly message: string
  readonly pauseUntil: number
}

/** @param location the real path of the directory. */
export async function gatherFacts(location: string, timeoutMs: number): Promise<LocationFacts> {
  const files = locationFiles(location)
  const lockOwner = findLockOwner(location)
  const daemon = await askForStatus(location, timeoutMs)
  const endpoint = findEndpoint(location)
  const pid = daemon.state === 'running' ? daemon.status.pid : lockOwner?.pid
  const isElsewhere = process.platform !== 'win32' && dirname(endpoint) !== location
  return {
    location,
    directory: tryToUse(location, constants.R_OK | constants.W_OK | constants.X_OK),
    isDatabase: isDatabase(location),
    hasLostCurrent: hasLostCurrent(location),
    databaseFiles: findDatabaseFiles(location),
    freeBytes: freeBytes(location),
    fileSystem: describeFileSystem(location),
    hasLock: existsSync(files.lock),
    lockOwner,
    isLockOwnerSuspended: lockOwner?.pid !== undefined && isSuspended(lockOwner.pid),
    rendezvous: readRendezvous(location),
    endpoint: lookAt(endpoint),
    endpointPathBytes: Buffer.byteLength(join(location, 'partyd.sock')),
    endpointDirectory: isElsewhere ? lookAt(dirname(endpoint)) : undefined,
    daemon,
    service: pid === undefined ? undefined : serviceOf(pid),
    lastExit: readExitRecord(location),
    hold: peekHold(location),
    hasExpiredHold: existsSync(files.hold) && peekHold(location) === undefined,
    startFailure: readStartFailure(files.failed),
    staleSockets: findPrivateSockets(location)
  }
}

async function askForStatus(location: string, timeoutMs: number | undefined): Promise<DaemonFacts> {
  let found: DaemonAnswer
  try {
    found = await askDaemon(location, KIND.status, { timeoutMs })
  } catch (error) {
    return { state: 'refusing', reason: (error as Error).message }
  }
  if (found.status === 'unresponsive') {
    const { message: reason, pid, endpoint } = found.error
    return { state: found.status, reason, pid, endpoint }
  }
  if (found.status === 'not-running') {
    return { state: found.status, reason: describeReason(found.reason) }
  }
  return { state: 'running', status: found.answer as unknown as DaemonStatus }
}

function lookAt(path: string): PathFacts {
  let stat: BigIntStats | undefined
  try {
    stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return { path, kind: 'unreadable' }
  }
  if (stat === undefined) return { path, kind: 'missing' }
  const kind = stat.isDirectory() ? 'directory' : stat.isSocket() ? 'socket' : 'file'
  return { path, kind, uid: Number(stat.uid), mode: Number(stat.mode & 0o7777n) }
}

/** Asks the kernel, which opens nothing: to close LOCK would drop it in a process that holds it. */
function tryToUse(path: string, mode: number): UsableFacts {
  const facts = lookAt(path)
  try {
    accessSync(path, mode)
    return facts
  } catch (error) {
    return { ...facts, obstacle: (error as NodeJS.ErrnoException).code }
  }
}

function isDatabase(location: string): boolean | undefined {
  try {
    accessSync(join(location, 'CURRENT'), constants.F_OK)
    return true
  } catch (error) {
    return isForbidden(error) ? undefined : false
  }
}

/** LOCK, CURRENT and the newest MANIFEST, as far as they are there. */
function findDatabaseFiles(location: string): UsableFacts[] {
  const manifest = namesIn(location)
    .filter((name) => /^MANIFEST-\d+$/.test(name))
    .sort((one, other) => Number(one.slice(9)) - Number(other.slice(9)))
    .at(-1)
  return ['CURRENT', 'LOCK', ...(manifest === undefined ? [] : [manifest])]
    .map((name) => tryToUse(join(location, name), constants.R_OK | constants.W_OK))
    .filter(({ kind }) => kind !== 'missing' && kind !== 'unreadable')
}

function namesIn(location: string): string[] {
  try {
    return readdirSync(location)
  } catch {
    return [] // The directory's own facts say so.
  }
}

function freeBytes(location: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(location)
    return bavail * bsize
  } catch {
    return undefined
  }
}

/** What clients have left each other; see start-record.ts of the client. */
function readStartFailure(path: string): StartFailure | undefined {
  try {
    const { error, pauseUntil } = JSON.parse(readFileSync(path, 'utf8')) as {
      readonly error: { readonly code: string; readonly message: string }
      readonly pauseUntil: number
    }
    return { code: error.code, message: error.message, pauseUntil }
  } catch {
    return undefined
  }
}

function findPrivateSockets(location: string): string[] {
  return namesIn(location)
    .filter((name) => /^\.[px][0-9a-f]{8}$/.test(name))
    .filter((name) => lookAt(join(location, name)).kind === 'socket')
}

/** Where the endpoint would be if nobody had said otherwise. */
export function usualEndpoint(location: string): string {
  return defaultEndpoint(location, currentPlatform())
}
