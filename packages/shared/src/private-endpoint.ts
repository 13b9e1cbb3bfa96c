// Who could put another socket in the place of an endpoint: nobody but its user, or others too. Both
// ends look for themselves, each time, and need a token where the answer is others.

import { lstatSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Platform } from './location.js'

/**
 * Whether only this user can listen at an endpoint of the location: whoever can write to its
 * directory can put a socket of his own there. A pipe's name is everybody's.
 */
export function isEndpointPrivate(endpoint: string, location: string, platform: Platform): boolean {
  return platform.name !== 'win32' && isDirectoryPrivate(dirname(endpoint), location, platform)
}

/** What to do so that no token is needed; on Windows there is nothing. */
export function adviseOnRights(platform: Platform): string {
  return platform.name === 'win32'
    ? ''
    : ' Take away their right to write to the directory (chmod go-w).'
}

/** Whether nobody but the superuser and a trusted owner can write to a directory. */
export function isDirectoryPrivate(
  directory: string,
  location: string,
  platform: Platform
): boolean {
  // With `bigint`, because plain lstat of a socket makes Node's realpath leave links unresolved.
  const stat = lstatSync(directory, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) return true // Then nobody listens there, either.
  return (
    stat.isDirectory() &&
    (stat.mode & 0o022n) === 0n &&
    isTrustedOwner(Number(stat.uid), location, platform)
  )
}

/**
 * The superuser can do everything anyway. When we are the superuser, the data is that of the owner of
 * the location, and so is the daemon.
 */
export function isTrustedOwner(uid: number, location: string, platform: Platform): boolean {
  if (uid === 0 || uid === platform.uid) return true
  return platform.uid === 0 && uid === statSync(location).uid
}

/** Whether the system lets nobody but this user connect: a socket has a mode, a pipe has none. */
export function isConnectingPrivate(platform: Platform): boolean {
  return platform.name !== 'win32'
}
