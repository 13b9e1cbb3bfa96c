// What is not as it should be, by the facts: each with what to do next. Pure, so that every case can
// be told without being brought about.

import { hostname } from 'node:os'
import { describeHold, EXIT_CODES, LevelError, LIMITS } from '@partyd/shared'
import { adviseOnListener, describeFailure } from '../failure.js'
import { diskFault, fullDisk, lostCurrent, noDatabase } from './disk-findings.js'
import type { LocationFacts } from './facts.js'
import { type Check, command, type Finding, find, type Self } from './finding.js'
import { PERMISSION_CHECKS } from './permission-findings.js'

/** In order of what to look at first. */
const CHECKS: readonly Check[] = [
  foreignLock,
  silentDaemon,
  lockGone,
  ...PERMISSION_CHECKS,
  refusingDaemon,
  endpointMissing,
  endpointInTheWay,
  otherInstance,
  otherHost,
  networkFileSystem,
  fullDisk,
  diskFault,
  logFailure,
  serviceEnds,
  otherVersion,
  heldLocation,
  pausedStarts,
  lastExit,
  unclearedEnd,
  staleSockets,
  expiredHold,
  lostCurrent,
  noDatabase
]

export function findFindings(facts: LocationFacts, own: Self): Finding[] {
  return CHECKS.map((check) => check(facts, own)).filter((finding) => finding !== undefined)
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
    const { reason, pid: known, endpoint } = daemon
    if (known === undefined) return find('unknown-listener', reason, adviseOnListener(endpoint))
    return find(
      'unresponsive-daemon',
      reason,
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
  const { hint = 'Do what the error says.' } = describeFailure(new LevelError(code, message))
  const isPaused = pauseUntil > Date.now()
  const until = isPaused ? `, and start no other before ${new Date(pauseUntil).toISOString()}` : ''
  return find(
    'failed-starts',
    `Clients could not start a daemon${until}. ${code}: ${message}`,
    `${hint} Then: ${command('start', location)}`,
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

/** Whether the endpoint has to be elsewhere because its path would be too long. */
export function isBeyondBudget({ endpointPathBytes }: LocationFacts): boolean {
  return endpointPathBytes > LIMITS.endpointPathBytesMax
}
