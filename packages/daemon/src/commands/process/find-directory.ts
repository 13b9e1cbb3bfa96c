// The directory that a command only looks at: there, a directory, and open to this user.

import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { PartyError } from '@partyd/shared'
import { CommandError } from '../failure.js'

/**
 * @returns its real path.
 * @throws CommandError `PARTYD_NO_DIRECTORY`; PartyError `PARTYD_PERMISSION` when it cannot even be told.
 */
export function findDirectory(directory: string): string {
  try {
    const location = realpathSync.native(directory)
    if (statSync(location).isDirectory()) return location
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (isForbidden(error)) throw mayNotUse(directory, error)
    if (code === 'ENOENT') {
      throw new CommandError('PARTYD_NO_DIRECTORY', `There is no directory ${directory}.`, HINT)
    }
    if (code !== 'ENOTDIR') throw error
  }
  throw new CommandError('PARTYD_NO_DIRECTORY', `${directory} is not a directory.`, HINT)
}

const HINT = 'Check the path: a location is the directory of a database.'

/** Whether there is such a file. @throws PartyError `PARTYD_PERMISSION` when this user may not read it. */
export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch (error) {
    if (isForbidden(error)) throw mayNotUse(path, error)
    return false
  }
}

/** Whether the kernel has said that this user may not. */
export function isForbidden(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
}

/** The error that says so. */
export function mayNotUse(path: string, error: unknown): PartyError {
  const message = `This user may not use ${path}: ${(error as Error).message}`
  return new PartyError('PARTYD_PERMISSION', message, { path, cause: error })
}
