// A database that has lost its file CURRENT, which names the manifest: LevelDB takes it for none, makes
// a new one in its place, and deletes the tables that are there.

import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { hasDatabase } from '@partyd/shared'

/** While a database is made there are neither yet: what has them has had CURRENT, too. */
const TABLE = /^\d+\.(ldb|sst)$/
const LOG = /^\d+\.log$/

export function hasLostCurrent(location: string): boolean {
  if (hasDatabase(location)) return false
  return namesIn(location).some((name) => TABLE.test(name) || isFilledLog(location, name))
}

function isFilledLog(location: string, name: string): boolean {
  if (!LOG.test(name)) return false
  return (statSync(join(location, name), { throwIfNoEntry: false })?.size ?? 0) > 0
}

function namesIn(location: string): string[] {
  try {
    return readdirSync(location)
  } catch {
    return [] // It is not there yet, or LevelDB will say why it cannot be read.
  }
}
