// What is written under a name of its own and gets the one that is meant when it is complete. However
// the command ends, but for SIGKILL, nothing half done stays behind.

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { LevelError } from '@partyd/shared'
import { UsageError } from '../failure.js'

export class PartialTarget {
  /** Where to write. */
  readonly path: string
  readonly #target: string
  // LevelDB may still be writing when the process is ended in a hurry: then there are new files.
  readonly #discard = (): void =>
    rmSync(this.path, { recursive: true, force: true, maxRetries: 10 })

  /** @param target as {@link findTarget} gave it. */
  constructor(target: string) {
    this.#target = target
    this.path = `${target}.partial-${randomBytes(4).toString('hex')}`
    process.on('exit', this.#discard)
  }

  /** What was written is on the disk by now; afterwards its name is, too. */
  complete(): void {
    // Elsewhere a directory is not renamed to one that is there, be it empty.
    if (process.platform === 'win32') removeEmptyDirectory(this.#target)
    renameSync(this.path, this.#target)
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

export function isEmptyDirectory(found: Stats, target: string): boolean {
  return found.isDirectory() && readdirSync(target).length === 0
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
