// What is wrong with the disk, or with LevelDB's files on it.

import type { LocationFacts } from './facts.js'
import { command, type Finding, find } from './finding.js'

/** With less than that LevelDB cannot write a new log and a few tables. */
const FREE_BYTES_MIN = 64 * 1024 * 1024

export function fullDisk({ freeBytes, location }: LocationFacts): Finding | undefined {
  if (freeBytes === undefined || freeBytes >= FREE_BYTES_MIN) return undefined
  return find(
    'disk-full',
    `The disk has ${Math.floor(freeBytes / 1024 / 1024)} MiB left`,
    `Make room: a daemon that cannot write to ${location} ends with code 23.`
  )
}

export function diskFault({ daemon, location }: LocationFacts): Finding | undefined {
  if (daemon.state !== 'running' || daemon.status.fault === undefined) return undefined
  const { code, message, at } = daemon.status.fault
  return find(
    'disk-fault',
    `The daemon has met an error of the disk, last at ${new Date(at).toISOString()}: ${code}: ${message}`,
    code === 'LEVEL_CORRUPTION'
      ? `Stop the daemon and copy the directory, then have it put together from what can be read: ${command('repair', location)}`
      : 'Look at the disk, and at what the system log says of it.'
  )
}

export function lostCurrent({ hasLostCurrent, location }: LocationFacts): Finding | undefined {
  if (!hasLostCurrent) return undefined
  return find(
    'lost-current',
    'The database has lost its file CURRENT; its tables or logs are still there',
    `Copy the directory first, then: ${command('repair', location)}`
  )
}

export function noDatabase(facts: LocationFacts): Finding | undefined {
  const { isDatabase, daemon, directory, location, hasLostCurrent } = facts
  if (hasLostCurrent) return undefined
  if (isDatabase !== false || daemon.state === 'running' || directory.kind !== 'directory')
    return undefined
  return find(
    'no-database',
    'There is no database in the directory yet: it has no file CURRENT',
    `Check the path. A client makes one, and so does: ${command('start', location)}`
  )
}
