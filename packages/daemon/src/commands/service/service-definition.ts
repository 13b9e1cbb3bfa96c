// What a service is, whatever manages it.

import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { UsageError } from '../failure.js'

export interface ServiceDefinition {
  /** The database directory, as an absolute real path. */
  readonly location: string
  /** Absolute path of Node. */
  readonly node: string
  /** Absolute path of partyd's executable. */
  readonly entry: string
  /** Whose it is: of the user who installs it, or of the machine. */
  readonly scope: 'user' | 'system'
  /** Who a service of the machine runs as. */
  readonly user: string | undefined
  /** What follows the executable on the command line; the first is `serve`. */
  readonly daemonArguments: readonly string[]
}

/** One name for each location: told from others of the same name by the hash of its path. */
export function serviceName(location: string): string {
  const hash = createHash('sha256').update(location).digest('hex').slice(0, 8)
  const name = basename(location)
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .slice(0, 40)
  return `partyd-${name}-${hash}`
}

/** Directories in which package managers keep what they run once and remove later. */
const PASSING = /[\\/](_npx|dlx|dlx-[^\\/]*)[\\/]/

/** @throws UsageError for a program that may be gone when the service starts the next time. */
export function assertLasting(entry: string): void {
  if (!PASSING.test(entry)) return
  throw new UsageError(
    `partyd runs from ${entry}, a cache that is emptied sooner or later`,
    'Install it first, and use that one: npm install -g partyd, then partyd service install …; or npm install partyd in a project, then npx partyd service install … there.'
  )
}
