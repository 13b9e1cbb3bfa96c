// What is wrong with a location before anybody looks into it: the same words for all commands.

import { statSync } from 'node:fs'
import { UsageError } from './failure.js'

/** @throws UsageError when it cannot be a database directory. One that is not there may be made yet. */
export function assertLocation(text: string): void {
  if (text === '') {
    throw new UsageError('the location is empty', 'Name a directory, as in: ./data')
  }
  if (isOtherThanDirectory(text)) {
    throw new UsageError(`${text} is not a directory`, 'A location is the directory of a database.')
  }
}

function isOtherThanDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === false
  } catch {
    return false // We may not look: the command finds out why.
  }
}
