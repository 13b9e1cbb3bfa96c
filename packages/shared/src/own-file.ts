// Writing partyd's own files in a location. Others may be able to write to its directory, and a link that
// they have put there must not lead a daemon, or the superuser, to write to somebody's file.

import { constants, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Windows has no such flag. */
const NOFOLLOW = (constants as Partial<typeof constants>).O_NOFOLLOW ?? 0
const APPEND = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND

/** Makes a file that only this user can read, in the place of whatever has its name. @throws the file system's error. */
export function createOwnFile(path: string, text: string): void {
  rmSync(path, { force: true })
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
}

/**
 * The same in one step: whoever reads it finds the old file or the new one.
 * @param temporary path in the same directory, which nobody else uses. Nothing is left there.
 * @throws the file system's error.
 */
export function replaceOwnFile(path: string, text: string, temporary = `${path}.tmp`): void {
  try {
    createOwnFile(temporary, text)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/**
 * Opens a log to append to, and to read. Where nobody else could have made it, it may be a link to where its
 * user wants it.
 * @throws the file system's error.
 */
export function openOwnLog(path: string): number {
  return openSync(path, isOursAlone(dirname(path)) ? APPEND : APPEND | NOFOLLOW, 0o600)
}

function isOursAlone(directory: string): boolean {
  const { mode, uid } = statSync(directory)
  return (mode & 0o022) === 0 && (uid === 0 || uid === process.getuid?.())
}
