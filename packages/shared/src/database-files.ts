// Which files LevelDB has in a directory, and what they say about the database.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** While a database is made there are neither yet: what has them has had CURRENT, too. */
const TABLE = /^\d+\.(ldb|sst)$/
const LOG = /^\d+\.log$/
const MANIFEST = /^MANIFEST-\d+$/

/** Whether there is a database in a directory: CURRENT names LevelDB's manifest, and is made last. */
export function hasDatabase(directory: string): boolean {
  return existsSync(join(directory, 'CURRENT'))
}

/**
 * Whether there was one that has lost its file CURRENT: LevelDB takes it for none, makes a new one in
 * its place, and deletes the tables that are there.
 */
export function hasLostCurrent(directory: string): boolean {
  if (hasDatabase(directory)) return false
  return namesIn(directory).some((name) => TABLE.test(name) || isFilledLog(directory, name))
}

/** Whether there is a database, or anything that could be made one of. */
export function hasRemains(directory: string): boolean {
  if (hasDatabase(directory) || hasLostCurrent(directory)) return true
  return namesIn(directory).some((name) => MANIFEST.test(name))
}

function isFilledLog(directory: string, name: string): boolean {
  if (!LOG.test(name)) return false
  return (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0) > 0
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return [] // It is not there yet, or whoever opens it will say why it cannot be read.
  }
}
