// Who may use a location, by its directory, its files and its socket. Pure, like the other findings.

import { basename } from 'node:path'
import { quotePath } from '../quote.js'
import type { LocationFacts, PathFacts, UsableFacts } from './facts.js'
import { type Check, type Finding, find, type Self } from './finding.js'

/** In order of what to look at first. */
export const PERMISSION_CHECKS: readonly Check[] = [
  otherDirectoryOwner,
  unusableDirectory,
  foreignFiles,
  unusableFiles,
  writableDirectory,
  openSocket,
  openEndpointDirectory
]

function otherDirectoryOwner({ directory }: LocationFacts, { uid }: Self): Finding | undefined {
  if (uid < 0 || uid === 0 || directory.uid === undefined || directory.uid === uid) return undefined
  // What this user may not do there says it, too.
  if (directory.obstacle !== undefined) return undefined
  return find(
    'other-owner',
    `The directory belongs to user ${directory.uid}, and this is user ${uid}`,
    `Run as that user, or have root give the directory away: ${chown(uid, directory.path)}`
  )
}

/** No daemon of this user can start there. */
function unusableDirectory({ directory }: LocationFacts, { uid }: Self): Finding | undefined {
  const { obstacle, path } = directory
  if (obstacle === undefined || directory.kind !== 'directory') return undefined
  if (obstacle === 'EROFS') {
    return find(
      'read-only',
      'The file system is mounted read-only: no daemon can write to the directory',
      'Mount it for writing, or copy the directory to another one.'
    )
  }
  const owner = directory.uid ?? uid
  const isOwn = uid < 0 || owner === uid
  const whose = isOwn ? '' : `, of user ${owner}, and this is user ${uid}`
  return find(
    'unusable-directory',
    `This user may not read and write the directory (mode ${octal(directory)}${whose}): no daemon of this user can start, and what is in it may be hidden`,
    isOwn
      ? `Allow it: chmod u+rwx ${quotePath(path)}`
      : `Run as user ${owner}, or have root give the directory away: ${chown(uid, path)}`
  )
}

/** As when root has run a daemon there once: the owner of the directory cannot go on. */
function foreignFiles({ directory, databaseFiles }: LocationFacts): Finding | undefined {
  const files = databaseFiles.filter(({ uid }) => uid !== directory.uid)
  const [first] = files
  if (first === undefined) return undefined
  return find(
    'foreign-files',
    `${namesOf(files)}: of user ${first.uid}, while the directory belongs to user ${directory.uid}, who may not be able to open the database`,
    `Stop the daemon, if one runs, and give them back as root: ${chown(directory.uid, directory.path)}`
  )
}

function unusableFiles(
  { directory, databaseFiles }: LocationFacts,
  { uid }: Self
): Finding | undefined {
  // Those of other users are named by other findings.
  const files = databaseFiles.filter((file) => {
    const isOwn = uid < 0 || file.uid === uid
    return isOwn && file.uid === directory.uid && isForbiddenBy(file)
  })
  if (files.length === 0) return undefined
  const paths = files.map(({ path }) => quotePath(path)).join(' ')
  return find(
    'unusable-files',
    `This user may not read and write ${namesOf(files)}: no daemon can open the database`,
    `Allow it: chmod u+rw ${paths}`
  )
}

function isForbiddenBy({ obstacle }: UsableFacts): boolean {
  return obstacle === 'EACCES' || obstacle === 'EPERM'
}

function namesOf(files: readonly PathFacts[]): string {
  return files.map(({ path }) => basename(path)).join(', ')
}

function writableDirectory({ directory }: LocationFacts): Finding | undefined {
  if (((directory.mode ?? 0) & 0o022) === 0) return undefined
  return find(
    'writable-directory',
    `Other users may write to the directory (mode ${octal(directory)})`,
    `Take that away: chmod go-w ${quotePath(directory.path)}`
  )
}

function openSocket({ endpoint }: LocationFacts): Finding | undefined {
  if (endpoint.kind !== 'socket' || ((endpoint.mode ?? 0) & 0o077) === 0) return undefined
  return find(
    'open-socket',
    `Other users may connect to ${endpoint.path} (mode ${octal(endpoint)})`,
    `Take that away: chmod 600 ${quotePath(endpoint.path)}`
  )
}

function openEndpointDirectory(
  { endpointDirectory: directory }: LocationFacts,
  { uid }: Self
): Finding | undefined {
  if (directory === undefined || directory.kind === 'missing') return undefined
  const isPrivate = directory.kind === 'directory' && ((directory.mode ?? 0) & 0o077) === 0
  const isOwn = uid < 0 || uid === 0 || directory.uid === uid
  if (isPrivate && isOwn) return undefined
  return find(
    'open-endpoint-directory',
    `The endpoint lies outside the location, in ${directory.path}, which is not this user's alone`,
    'Remove that directory, or set XDG_RUNTIME_DIR.'
  )
}

function octal({ mode = 0 }: PathFacts): string {
  return mode.toString(8).padStart(4, '0')
}

function chown(uid: number | undefined, path: string): string {
  return `chown -R ${uid} ${quotePath(path)}`
}
