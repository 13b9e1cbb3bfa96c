// Socket activation: a socket that the service manager has bound and listens on, handed over as
// descriptor 3. Its file stays the manager's: it is neither renamed nor removed here.

import { lstatSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { currentPlatform, defaultEndpoint, isPlausibleEndpoint, PartyError } from '@partyd/shared'
import { StartError } from '../start/start-error.js'

/** A listening socket that is there already. */
export interface ListeningSocket {
  readonly fd: number
  /** Where clients dial. */
  readonly path: string
}

/** The first descriptor that is handed over, by the protocol. */
const FIRST_FD = 3

const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']

/**
 * Takes the variables of socket activation out of the environment: they are for this process only.
 * @returns the descriptor; undefined when the service manager has handed over none.
 * @throws StartError when it is not one, or not for this process.
 */
export function takeListenFd(environment: NodeJS.ProcessEnv): number | undefined {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = environment
  for (const name of VARIABLES) delete environment[name]
  if (count === undefined || count === '0') return undefined
  if (Number(pid) !== process.pid) {
    throw unusable(
      `LISTEN_PID is ${pid ?? 'not set'}, but this is process ${process.pid}: the socket was meant for another one. Start node without a wrapper such as npx or a shell`
    )
  }
  if (count !== '1') {
    throw unusable(
      `LISTEN_FDS is ${count}, but a location has one socket. Give the unit one ListenStream=`
    )
  }
  return FIRST_FD
}

/**
 * Finds out where a descriptor listens.
 * @throws StartError unless it is a socket at which clients of the location look for it.
 */
export function inspectListenFd(fd: number, location: string): ListeningSocket {
  const platform = currentPlatform()
  const expected = defaultEndpoint(location, platform)
  const bound = findBoundPath(fd)
  const path = bound === undefined ? undefined : resolvePath(bound)
  if (path === undefined || !isPlausibleEndpoint(path, location, platform)) {
    const where = bound === undefined ? 'is no listening unix socket' : `listens at ${bound}`
    throw unusable(
      `Descriptor ${fd} ${where}, where no client of ${location} looks. Write ListenStream=${expected}`,
      expected
    )
  }
  return { fd, path }
}

/** Node does not tell the name of a socket that it has not bound, so the kernel is asked. */
function findBoundPath(fd: number): string | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1]
    return inode === undefined
      ? undefined
      : parseUnixSockets(readFileSync('/proc/net/unix', 'utf8'), inode)
  } catch {
    return undefined // No such descriptor, or no /proc: then nobody can tell.
  }
}

/** Flag of a socket that accepts connections (`__SO_ACCEPTCON`). */
const ACCEPTS = 0x1_0000

/** @param text the content of /proc/net/unix: `0: 00000002 00000000 00010000 0001 01 12345 /path`. */
export function parseUnixSockets(text: string, inode: string): string | undefined {
  for (const line of text.split('\n')) {
    const match = /^\S+: \S+ \S+ (\S+) \S+ \S+\s+(\d+) (\/.*)$/.exec(line)
    if (match?.[2] === inode) {
      return Number.parseInt(match[1] as string, 16) & ACCEPTS ? match[3] : undefined
    }
  }
  return undefined
}

/** Undefined when the file is gone: then nobody can connect. */
function resolvePath(path: string): string | undefined {
  try {
    if (!lstatSync(path, { bigint: true }).isSocket()) return undefined
    return join(realpathSync.native(dirname(path)), basename(path))
  } catch {
    return undefined // Nothing is there, or it is out of our reach, and then of our clients' too.
  }
}

function unusable(message: string, endpoint?: string): StartError {
  const details = { path: endpoint, endpoint, pid: process.pid }
  return new StartError('endpoint', new PartyError('PARTYD_CRASHED', `${message}.`, details))
}
