// `partyd.token`: what a daemon and its clients know and nobody else does. It is needed where others
// could put a socket in the endpoint's place.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { PartyError } from './errors.js'
import { currentPlatform, locationFiles, type Platform } from './location.js'
import { replaceOwnFile } from './own-file.js'
import { adviseOnRights, isTrustedOwner } from './private-endpoint.js'

const TOKEN_BYTES = 32
const { O_NOFOLLOW: NOFOLLOW, O_NONBLOCK: NONBLOCK } = constants as Partial<typeof constants>

/**
 * Writes a new token in one step, over whatever is there. Only the holder of LevelDB's lock may call this.
 * @throws what the file system answers, for example because somebody else's file may not be replaced.
 */
export function writeToken(location: string): Buffer {
  const token = randomBytes(TOKEN_BYTES)
  const { token: path } = locationFiles(location)
  replaceOwnFile(path, `${token.toString('hex')}\n`)
  return token
}

/** @throws PartyError `PARTYD_PERMISSION` when there is none, or others could have written or read it. */
export function readToken(location: string, platform: Platform): Buffer {
  const { token: path } = locationFiles(location)
  let fd: number
  try {
    // Neither a link nor a fifo that somebody else has put there; Windows has neither flag.
    fd = openSync(path, constants.O_RDONLY | (NOFOLLOW ?? 0) | (NONBLOCK ?? 0))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`
    throw unusable(location, reason, error)
  }
  try {
    const problem = platform.name === 'win32' ? undefined : findProblem(fd, location, platform)
    const token = problem === undefined ? readHex(fd) : undefined
    if (token === undefined) throw unusable(location, problem ?? 'holds no token')
    return token
  } finally {
    closeSync(fd)
  }
}

/** Windows lets the file have the rights of its directory, and tells neither owner nor mode. */
function findProblem(fd: number, location: string, platform: Platform): string | undefined {
  const stat = fstatSync(fd)
  if (!stat.isFile()) return 'is not a file'
  if (!isTrustedOwner(stat.uid, location, platform)) return `belongs to user ${stat.uid}`
  return (stat.mode & 0o077) === 0 ? undefined : 'is open to other users'
}

function readHex(fd: number): Buffer | undefined {
  const bytes = Buffer.alloc(2 * TOKEN_BYTES)
  readSync(fd, bytes)
  const text = bytes.toString('latin1')
  return /^[0-9a-f]+$/.test(text) ? Buffer.from(text, 'hex') : undefined
}

function unusable(location: string, reason: string, cause?: unknown): PartyError {
  const { token: path } = locationFiles(location)
  const message = `Other users could listen in the place of the daemon of ${location}, and ${path}, by which it is known, ${reason}.${adviseOnRights(currentPlatform())} Start the daemon anew.`
  return new PartyError('PARTYD_PERMISSION', message, { path, pid: process.pid, cause })
}

/** Removes the token. Only the holder of LevelDB's lock may call this. */
export function removeToken(location: string): void {
  rmSync(locationFiles(location).token, { force: true })
}
