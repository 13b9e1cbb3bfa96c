// From a location (the database directory) to the names partyd uses for it: its endpoint and its files.

import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  statSync
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { hasDatabase, hasLostCurrent } from './database-files.js'
import { LevelError, PartyError } from './errors.js'
import { LIMITS } from './limits.js'

/** What the endpoint of a location depends on besides its path. A parameter, so that every platform is testable. */
export interface Platform {
  readonly name: NodeJS.Platform
  /** The user's id; -1 where there is none (Windows). */
  readonly uid: number
  /** `$XDG_RUNTIME_DIR`, if set. */
  readonly runtimeDirectory: string | undefined
}

/** The platform this process runs on. */
export function currentPlatform(): Platform {
  return {
    name: process.platform,
    uid: process.getuid?.() ?? -1,
    runtimeDirectory: process.env['XDG_RUNTIME_DIR'] || undefined
  }
}

/**
 * The one spelling of a location: absolute, without links. Makes the directory, with mode 0700, if it may.
 * @throws PartyError `PARTYD_PERMISSION` or LevelError, with path and pid, when it cannot be had.
 */
export function resolveLocation(directory: string, createIfMissing: boolean): string {
  const path = resolve(directory)
  try {
    if (createIfMissing) makeDirectory(path)
    const real = realpathSync.native(path)
    if (!statSync(real).isDirectory()) throw notUsable(path, 'it is not a directory')
    if (!createIfMissing) assertDatabase(real, path)
    return real
  } catch (error) {
    if (error instanceof LevelError) throw error
    throw describeLocationError(path, error as NodeJS.ErrnoException, createIfMissing)
  }
}

/** One that has lost a file is there: whoever opens it says what has become of it. */
function assertDatabase(location: string, path: string): void {
  // Where nobody may look everything is missing.
  accessSync(location, constants.X_OK)
  if (!hasDatabase(location) && !hasLostCurrent(location)) throw missing(path)
}

/**
 * Like `mkdir -p`, with mode 0700. Node 20's recursive mkdir goes round for ever where a file system
 * says that a name does not exist although its parent does, as /proc says.
 */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    const parent = dirname(path)
    if (code !== 'ENOENT' || existsSync(parent)) throw error
    makeDirectory(parent)
    makeDirectory(path)
  }
}

function describeLocationError(
  path: string,
  error: NodeJS.ErrnoException,
  createIfMissing: boolean
): Error {
  switch (error.code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new PartyError(
        'PARTYD_PERMISSION',
        `This user may not use ${path}: ${error.message}. Check the owner and mode of the directory.`,
        { path, pid: process.pid, cause: error }
      )
    case 'ENOENT':
      return createIfMissing
        ? notUsable(path, `it cannot be created: ${error.message}`)
        : missing(path)
    case 'EEXIST':
    case 'ENOTDIR':
      return notUsable(path, 'a file is in the way')
    default:
      return notUsable(path, error.message)
  }
}

/** LevelDB's own words for it, which users' tests look for. */
function missing(path: string): LevelError {
  const message = `Invalid argument: ${path}: does not exist (create_if_missing is false)`
  return new LevelError('LEVEL_INVALID_ARGUMENT', message, { path, pid: process.pid })
}

function notUsable(path: string, reason: string): LevelError {
  const message = `Cannot use ${path} as a database directory: ${reason}`
  return new LevelError('LEVEL_IO_ERROR', message, { path, pid: process.pid })
}

/** Paths of partyd's own files in a location. LevelDB ignores all of them. */
export interface LocationFiles {
  /** LevelDB's lock: the only authority on who owns the database. Never opened by us. */
  readonly lock: string
  readonly rendezvous: string
  readonly log: string
  readonly spawnLock: string
  readonly exit: string
  readonly failed: string
  readonly hold: string
  readonly token: string
}

/** @param location the database directory, as an absolute real path. */
export function locationFiles(location: string): LocationFiles {
  return {
    lock: join(location, 'LOCK'),
    rendezvous: join(location, 'partyd.json'),
    log: join(location, 'partyd.log'),
    spawnLock: join(location, 'partyd.spawn.lock'),
    exit: join(location, 'partyd.exit.json'),
    failed: join(location, 'partyd.failed.json'),
    hold: join(location, 'partyd.hold'),
    token: join(location, 'partyd.token')
  }
}

/**
 * The endpoint of a location: `partyd.sock` inside it; where that path would be too long for a
 * socket, a hashed name in a private directory; on Windows a hashed pipe name.
 */
export function defaultEndpoint(location: string, platform: Platform): string {
  if (platform.name === 'win32') {
    return `\\\\.\\pipe\\partyd-${hash(location.toLowerCase()).slice(0, 32)}`
  }
  const inside = join(location, 'partyd.sock')
  return Buffer.byteLength(inside) <= LIMITS.endpointPathBytesMax
    ? inside
    : shortEndpoint(location, platform)
}

/** The endpoint outside the location, for paths that are too long and file systems that refuse sockets. */
export function shortEndpoint(location: string, platform: Platform): string {
  return join(shortDirectory(platform), `${hash(location).slice(0, 16)}.sock`)
}

function shortDirectory({ uid, runtimeDirectory }: Platform): string {
  const preferred = runtimeDirectory === undefined ? undefined : join(runtimeDirectory, 'partyd')
  // The longest name there is the one that is bound: separator, 16 hash characters, `.p` and 8 more.
  const fits =
    preferred !== undefined && Buffer.byteLength(preferred) + 27 <= LIMITS.endpointPathBytesMax
  return fits ? preferred : `/tmp/partyd-${uid}`
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Whether an endpoint read from a file is one that a daemon of this location could have chosen. */
export function isPlausibleEndpoint(
  endpoint: string,
  location: string,
  platform: Platform
): boolean {
  if (endpoint === defaultEndpoint(location, platform)) return true
  // A daemon with another environment may have used another runtime directory, but the same name.
  const expected = basename(shortEndpoint(location, platform))
  return platform.name !== 'win32' && endpoint.startsWith('/') && basename(endpoint) === expected
}

/**
 * What a directory is, whatever names it has: a bind mount gives it another real path. Copies of it
 * are other directories. Undefined when it cannot be looked at.
 */
export function directoryId(directory: string): string | undefined {
  try {
    const { dev, ino } = statSync(directory, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/**
 * Makes sure that an endpoint outside the location lies in a directory that only we can write to.
 * @throws PartyError `PARTYD_PERMISSION` when the directory belongs to someone else or is open to others.
 */
export function assertPrivateDirectory(endpoint: string, platform: Platform): void {
  const directory = dirname(endpoint)
  try {
    makeDirectory(directory)
  } catch (error) {
    // A file or a link to nowhere is in the way: the look at it below says so.
    if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) throw error
  }
  const stat = lstatSync(directory)
  const problem = !stat.isDirectory()
    ? 'is not a directory'
    : stat.uid !== platform.uid
      ? `belongs to user ${stat.uid}`
      : (stat.mode & 0o077) !== 0
        ? 'is open to other users'
        : undefined
  if (problem !== undefined) {
    throw new PartyError(
      'PARTYD_PERMISSION',
      `Cannot use ${directory} for the endpoint: it ${problem}. Remove it or set XDG_RUNTIME_DIR.`,
      { path: directory }
    )
  }
}
