// What is not as it should be, by the facts: each with what to do next. Pure, so that every case can
// be told without being brought about.

import { hostname } from 'node:os'
import { basename } from 'node:path'
import { describeHold, EXIT_CODES, LIMITS } from '@partyd/shared'
import { quotePath } from '../commands/quote.js'
import type { LocationFacts, PathFacts, UsableFacts } from './facts.js'

export interface Finding {
  /** For programs. */
  readonly code: string
  readonly message: string
  /** What is safe to do about it. */
  readonly next: string
  /** Whether `doctor --fix` clears it up. */
  readonly fixable: boolean
}

type Check = (facts: LocationFacts, own: Self) => Finding | undefined

/** Who looks. */
export interface Self {
  readonly version: string
  readonly uid: number
}

/** With less than that LevelDB cannot write a new log and a few tables. */
const FREE_BYTES_MIN = 64 * 1024 * 1024

/** In order of what to look at first. */
const CHECKS: readonly Check[] = [
  foreignLock,
  silentDaemon,
  lockGone,
  otherDirectoryOwner,
  unusableDirectory,
  foreignFiles,
  unusableFiles,
  writableDirectory,
  openSocket,
  openEndpointDirectory,
  refusingDaemon,
  endpointMissing,
  endpointInTheWay,
  otherInstance,
  otherHost,
  networkFileSystem,
  fullDisk,
  logFailure,
  serviceEnds,
  otherVersion,
  heldLocation,
  pausedStarts,
  lastExit,
  unclearedEnd,
  staleSockets,
  expiredHold,
  noDatabase
]

export function findFindings(facts: LocationFacts, own: Self): Finding[] {
  return CHECKS.map((check) => check(facts, own)).filter((finding) => finding !== undefined)
}

function find(code: string, message: string, next: string, fixable = false): Finding {
  return { code, message, next, fixable }
}

/** Whether nobody can be at work in the location, so that what lies about is left over. */
export function isDeserted({ daemon, lockOwner }: LocationFacts): boolean {
  return daemon.state === 'not-running' && lockOwner === undefined
}

// Who has the database

function foreignLock({ lockOwner, daemon }: LocationFacts): Finding | undefined {
  if (lockOwner === undefined || lockOwner.isDaemon || daemon.state === 'running') return undefined
  const { pid, command = 'unknown' } = lockOwner
  const who = pid === undefined ? 'a process that the kernel does not name' : `pid ${pid}`
  return find(
    'foreign-lock',
    `LevelDB's lock is held by ${who}, which is not partyd: ${command}`,
    'Stop that process, or let it use partyd, too. Never delete LOCK: two processes would write to one database.'
  )
}

function silentDaemon({ daemon, lockOwner, isLockOwnerSuspended, location }: LocationFacts) {
  const pid = lockOwner?.pid
  if (isLockOwnerSuspended && lockOwner?.isDaemon) {
    return find(
      'suspended-daemon',
      `The daemon (pid ${pid}) has been stopped by a signal or a debugger`,
      `Let it go on: kill -CONT ${pid}. No other daemon takes its place.`
    )
  }
  if (daemon.state === 'unresponsive') {
    return find(
      'unresponsive-daemon',
      daemon.reason,
      `It may be busy: wait, and look at the log. As a last resort: ${command('stop', location, '--force')}`
    )
  }
  if (daemon.state === 'not-running' && lockOwner?.isDaemon) {
    return find(
      'unreachable-daemon',
      `A daemon (pid ${pid}) has LevelDB's lock and cannot be reached: it is starting or ending`,
      `Look again in some seconds; then at the log: ${command('logs', location)}`
    )
  }
  return undefined
}

function refusingDaemon({ daemon, isDatabase }: LocationFacts): Finding | undefined {
  // Where this user may not even look, it was no daemon that refused.
  if (daemon.state !== 'refusing' || isDatabase === undefined) return undefined
  return find(
    'refusing-daemon',
    daemon.reason,
    'Do what it says, or run this as the user who owns the location, or update the older package.'
  )
}

function lockGone({ daemon, hasLock }: LocationFacts): Finding | undefined {
  if (daemon.state !== 'running' || hasLock) return undefined
  return find(
    'lock-gone',
    `LOCK was removed under the daemon (pid ${daemon.status.pid}), which ends within seconds`,
    'Find out who removes files here. Nothing but LevelDB may touch LOCK.'
  )
}

// Permissions

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

function chown(uid: number | undefined, path: string): string {
  return `chown -R ${uid} ${quotePath(path)}`
}

/** As it can be typed. */
function command(name: string, location: string, ...options: readonly string[]): string {
  return ['partyd', name, quotePath(location), ...options].join(' ')
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

// The endpoint

function endpointMissing({ lockOwner, rendezvous, endpoint }: LocationFacts): Finding | undefined {
  const isServing = lockOwner?.isDaemon && rendezvous?.pid === lockOwner.pid
  if (!isServing || endpoint.kind !== 'missing') return undefined
  return find(
    'endpoint-missing',
    `${endpoint.path} was removed under the daemon (pid ${lockOwner.pid})`,
    'It publishes another one within 5 s. Find out who removes files here.'
  )
}

function endpointInTheWay({ endpoint }: LocationFacts): Finding | undefined {
  if (endpoint.kind !== 'directory' && endpoint.kind !== 'file') return undefined
  const next =
    endpoint.kind === 'file'
      ? 'The next daemon puts its socket there.'
      : 'Remove it: no daemon can put its socket there.'
  return find('endpoint-in-the-way', `${endpoint.path} is no socket but a ${endpoint.kind}`, next)
}

function otherInstance({ daemon, rendezvous, location }: LocationFacts): Finding | undefined {
  if (daemon.state !== 'running') return undefined
  if (rendezvous?.instanceId === daemon.status.instanceId) return undefined
  const other = rendezvous === undefined ? 'is not there' : `names pid ${rendezvous.pid}`
  return find(
    'other-instance',
    `pid ${daemon.status.pid} serves at the endpoint, but partyd.json ${other}`,
    `Look again in some seconds: one daemon may have taken over from another. Then: ${command('restart', location)}`
  )
}

function otherHost({ rendezvous }: LocationFacts): Finding | undefined {
  const host = rendezvous?.host
  if (host === undefined || host === hostname()) return undefined
  return find(
    'other-host',
    `partyd.json was written on another machine, ${host}`,
    'A location must be used by one machine only. Stop the daemon there first, if it runs.'
  )
}

// What may go wrong next

function networkFileSystem({ fileSystem, location }: LocationFacts): Finding | undefined {
  if (!fileSystem.isNetwork) return undefined
  return find(
    'network-file-system',
    `The location is on a network file system (${fileSystem.type}): other machines could open the database, and cannot reach this machine's socket`,
    `Move it to a local disk. If no other machine uses it: ${command('start', location, '--allow-network-fs')}`
  )
}

function fullDisk({ freeBytes, location }: LocationFacts): Finding | undefined {
  if (freeBytes === undefined || freeBytes >= FREE_BYTES_MIN) return undefined
  return find(
    'disk-full',
    `The disk has ${Math.floor(freeBytes / 1024 / 1024)} MiB left`,
    `Make room: a daemon that cannot write to ${location} ends with code 23.`
  )
}

function logFailure({ daemon }: LocationFacts): Finding | undefined {
  if (daemon.state !== 'running' || daemon.status.logFailure === undefined) return undefined
  const { logFailure: reason, pid } = daemon.status
  return find(
    'log-failure',
    `The daemon cannot write its log: ${reason}`,
    `When the reason is gone: kill -HUP ${pid}`
  )
}

function serviceEnds({ service, daemon }: LocationFacts): Finding | undefined {
  if (service === undefined || daemon.state !== 'running' || daemon.status.mode !== 'auto') {
    return undefined
  }
  return find(
    'in-service',
    `The daemon belongs to ${service}, whose client started it, and systemd ends both together`,
    'Have the client start it with spawn: { scope: true }, or run partyd as a service of its own.'
  )
}

function otherVersion({ daemon, location }: LocationFacts, { version }: Self): Finding | undefined {
  if (daemon.state !== 'running' || daemon.status.version === version) return undefined
  return find(
    'other-version',
    `The daemon is partyd ${daemon.status.version}, this command ${version}`,
    `To have the daemon of this package: ${command('restart', location)}`
  )
}

// Why there is no daemon

function heldLocation({ hold, location }: LocationFacts): Finding | undefined {
  if (hold === undefined) return undefined
  const next =
    hold.reason === 'stop'
      ? `Clients wait until then, or until: ${command('start', location)}`
      : 'Wait for it. If it was killed, clients go on at that time.'
  return find('held', `The location is held: ${describeHold(hold)}`, next)
}

function pausedStarts(facts: LocationFacts): Finding | undefined {
  const { startFailure, daemon, location } = facts
  if (startFailure === undefined || daemon.state === 'running') return undefined
  const { code, message, pauseUntil } = startFailure
  const isPaused = pauseUntil > Date.now()
  const until = isPaused ? `, and start no other before ${new Date(pauseUntil).toISOString()}` : ''
  return find(
    'failed-starts',
    `Clients could not start a daemon${until}. ${code}: ${message}`,
    `Do what the error says; then: ${command('start', location)}`,
    isDeserted(facts)
  )
}

function lastExit({ lastExit: record, daemon, location }: LocationFacts): Finding | undefined {
  if (record === undefined || daemon.state === 'running') return undefined
  const { at, code, reason } = record
  return find(
    'last-exit',
    `The last daemon ended at ${at} with code ${code}: ${reason}`,
    nextByExit(code, location),
    true
  )
}

function nextByExit(code: number, location: string): string {
  switch (code) {
    case EXIT_CODES.corrupt:
      return `Copy the directory, then: ${command('repair', location)}`
    case EXIT_CODES.disk:
      return `Check the disk and the rights of the directory; then start a daemon, which begins a new log of LevelDB: ${command('start', location)}`
    case EXIT_CODES.bug:
      return `This is a bug in partyd. The log says more: ${command('logs', location)}`
    default:
      return `See what it had logged: ${command('logs', location)}`
  }
}

// What is left over

function unclearedEnd(facts: LocationFacts): Finding | undefined {
  const { rendezvous, location } = facts
  if (!isDeserted(facts) || rendezvous === undefined) return undefined
  return find(
    'uncleared-end',
    `The last daemon (pid ${rendezvous.pid}) was killed: partyd.json is left, and the database may hold its session records, which other tools would see`,
    `Harmless to partyd: the next daemon goes on from there. To clear it up now: ${command('doctor', location, '--fix')}`,
    true
  )
}

function staleSockets(facts: LocationFacts): Finding | undefined {
  const { staleSockets: names, location } = facts
  if (names.length === 0 || !isDeserted(facts)) return undefined
  return find(
    'stale-sockets',
    `Sockets of daemons that were killed are left: ${names.join(', ')}`,
    `The next daemon removes them. To have that now: ${command('doctor', location, '--fix')}`,
    true
  )
}

function expiredHold({ hasExpiredHold, location }: LocationFacts): Finding | undefined {
  if (!hasExpiredHold) return undefined
  return find(
    'expired-hold',
    'partyd.hold is over and has not been removed',
    `Whoever comes next removes it. To have that now: ${command('doctor', location, '--fix')}`,
    true
  )
}

function noDatabase(facts: LocationFacts): Finding | undefined {
  const { isDatabase, daemon, directory, location } = facts
  if (isDatabase !== false || daemon.state === 'running' || directory.kind !== 'directory')
    return undefined
  return find(
    'no-database',
    'There is no database in the directory yet: it has no file CURRENT',
    `Check the path. A client makes one, and so does: ${command('start', location)}`
  )
}

/** Whether the endpoint has to be elsewhere because its path would be too long. */
export function isBeyondBudget({ endpointPathBytes }: LocationFacts): boolean {
  return endpointPathBytes > LIMITS.endpointPathBytesMax
}
