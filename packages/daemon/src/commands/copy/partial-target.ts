// What is written under a name of its own and gets the one that is meant when it is complete. However
// the command ends, but for SIGKILL, nothing half done stays behind.

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats
} from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { LevelError } from '@partyd/shared'
import { UsageError } from '../failure.js'

/** A directory replaces an empty one only. */
type TargetKind = 'directory' | 'new file' | 'replacing file'

export class PartialTarget {
  /** Where to write. */
  readonly path: string
  readonly #target: string
  readonly #kind: TargetKind
  // LevelDB may still be writing when the process is ended in a hurry: then there are new files.
  readonly #discard = (): void =>
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10 })

  /** @param target as {@link findTarget} gave it. */
  constructor(target: string, kind: TargetKind) {
    this.#target = target
    this.#kind = kind
    this.path = `${target}.partial-${randomBytes(4).toString('hex')}`
    process.on('exit', this.#discard)
  }

  /**
   * What was written is on the disk by now; afterwards its name is, too.
   * @throws UsageError when somebody else has put something there meanwhile.
   */
  complete(): void {
    if (this.#kind === 'directory') moveDirectory(this.path, this.#target)
    else if (this.#kind === 'new file') moveNewFile(this.path, this.#target)
    else renameSync(this.path, this.#target)
    process.off('exit', this.#discard)
    syncDirectory(dirname(this.#target))
  }

  discard(): void {
    process.off('exit', this.#discard)
    this.#discard()
  }
}

/**
 * The path itself, with links resolved, which may be there only if `mayReplace` says so.
 * @throws UsageError · LevelError `LEVEL_IO_ERROR`, when its directory is not there.
 */
export function findTarget(
  path: string,
  mayReplace: (found: Stats, target: string) => boolean
): string {
  const target = resolveTarget(path)
  const found = lstatSync(target, { throwIfNoEntry: false })
  if (found !== undefined && !mayReplace(found, target)) {
    throw new UsageError(`${path} is there already`)
  }
  return target
}

function resolveTarget(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    // It is not there, as it should be. Its directory must be.
  }
  try {
    return join(realpathSync.native(dirname(path)), basename(path))
  } catch (error) {
    throw writeError(path, error as Error)
  }
}

/**
 * What is inside would be in the way of whoever destroys or copies the database, or be a file of it.
 * @param target {@link findTarget}'s answer for `path`.
 */
export function assertOutside(directory: string, target: string, path: string): void {
  if (!existsSync(directory)) return // Reading it will tell.
  const location = realpathSync.native(directory)
  if (!`${target}${sep}`.startsWith(`${location}${sep}`)) return
  throw new UsageError(`${path} is inside ${location}`, 'Name a place outside of it.')
}

export function isEmptyDirectory(found: Stats, target: string): boolean {
  return found.isDirectory() && readdirSync(target).length === 0
}

function moveDirectory(from: string, to: string): void {
  try {
    // Elsewhere a directory is not renamed to one that is there, be it empty.
    if (process.platform === 'win32') removeEmptyDirectory(to)
    renameSync(from, to)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    throw ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(code) ? directoryIsTaken(to) : error
  }
}

/** A second name, as a file that is there would be replaced by a rename. */
function moveNewFile(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw fileIsTaken(to)
    // Not every file system has second names.
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw fileIsTaken(to)
    return renameSync(from, to)
  }
  rmSync(from)
}

export function directoryIsTaken(path: string): UsageError {
  const hint = 'Name a directory that does not exist yet, or is empty.'
  return new UsageError(`there is something at ${path} already`, hint)
}

export function fileIsTaken(path: string): UsageError {
  return new UsageError(`there is a file ${path} already`, 'To replace it: --force.')
}

function removeEmptyDirectory(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) rmdirSync(path)
}

/** Names are on the disk when their directory is. Windows does that by itself, and cannot be asked to. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

export function writeError(path: string, cause: Error): LevelError {
  return new LevelError('LEVEL_IO_ERROR', `Cannot write ${path}: ${cause.message}`, { path, cause })
}
