// Who holds LevelDB's lock. Asks the kernel's table: opening the lock file in a process that
// holds the lock would drop it, because POSIX releases a lock when any descriptor of the file closes.

import { readFileSync, statSync } from 'node:fs'
import { locationFiles } from './location.js'

/** A holder as far as it can be known. */
export interface LockHolder {
  /** Undefined where the kernel does not tell: another pid namespace, or not Linux. */
  readonly pid: number | undefined
}

/**
 * Looks the lock of a location up in /proc/locks.
 * @returns undefined when nobody holds it, or when this platform cannot say.
 */
export function findLockHolder(location: string): LockHolder | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const { dev, ino } = statSync(locationFiles(location).lock)
    return parseLocks(readFileSync('/proc/locks', 'utf8'), dev, ino)
  } catch {
    // No lock file yet, or no /proc: nothing is known.
    return undefined
  }
}

/**
 * Whether a process has a daemon's title. One that is closing a large database has taken its
 * `partyd.json` away before, and nothing else tells it from a foreign holder. Linux only.
 */
export function isDaemonProcess(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('partyd ')
  } catch {
    return false // It has ended, or there is no /proc.
  }
}

/**
 * Whether the kernel lists a process as the holder of a location's lock; undefined where it cannot
 * be told. The table is not read in one piece, so an entry counts as missing when it is missing
 * several times in a row.
 */
export function isLockListed(location: string, pid: number): boolean | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const { dev, ino } = statSync(locationFiles(location).lock)
    for (let look = 0; look < LOOKS; look++) {
      if (parseLocks(readFileSync('/proc/locks', 'utf8'), dev, ino)?.pid === pid) return true
    }
    return false
  } catch {
    return undefined
  }
}

const LOOKS = 3

/** @param text the content of /proc/locks: `1: POSIX  ADVISORY  WRITE 123 08:01:42 0 EOF` and so on. */
export function parseLocks(text: string, dev: number, ino: number): LockHolder | undefined {
  // Some file systems number devices differently in the two places, so the inode must do if need be.
  const device = formatDevice(dev)
  let byInode: LockHolder | undefined
  for (const line of text.split('\n')) {
    const match = /POSIX\s+\S+\s+WRITE\s+(\d+)\s+(\S+:\S+):(\d+)\s/.exec(line)
    if (match === null || Number(match[3]) !== ino) continue
    const pid = Number(match[1])
    const holder = { pid: pid > 0 ? pid : undefined }
    if (match[2] === device) return holder
    byInode ??= holder
  }
  return byInode
}

/** Major and minor number in hexadecimal, packed in `st_dev` as glibc does it. */
function formatDevice(dev: number): string {
  const packed = BigInt(dev)
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & ~0xfffn)
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xff_ff00n)
  const hex = (value: bigint): string => value.toString(16).padStart(2, '0')
  return `${hex(major)}:${hex(minor)}`
}
