// What kind of file system a location is on. LevelDB's lock decides who is the daemon, and the socket
// is how it is reached: on a network file system the one may fail and the other reaches one machine only.

import { statfsSync } from 'node:fs'
import { currentPlatform, PartyError, type Platform } from '@partyd/shared'
import { StartError } from './start-error.js'

export interface FileSystem {
  /** As Linux calls it in /proc/mounts, by and large; or `unknown`. */
  readonly type: string
  /** Whether other machines may have it mounted, too. */
  readonly isNetwork: boolean
}

/**
 * `f_type` of statfs(2), by the numbers in Linux's include/uapi/linux/magic.h. Those that are not
 * there (GFS2, GPFS, Lustre, PanFS) are as in src/stat.c of GNU coreutils.
 */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x00c36400, 'ceph'],
  [0x0bd00bd0, 'lustre'],
  [0x5346414f, 'afs'],
  [0x6b414653, 'afs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x01021997, '9p'],
  [0x73757245, 'coda'],
  [0x564c, 'ncp'],
  [0x47504653, 'gpfs'],
  [0xaad7aaea, 'panfs']
])

/** From the same two (bcachefs, JFS, NTFS and ZFS from coreutils). fuse may be anything: NTFS, sshfs. */
const LOCAL_TYPES: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x794c7630, 'overlay'],
  [0xf15f, 'ecryptfs'],
  [0x52654973, 'reiserfs'],
  [0x3153464a, 'jfs'],
  [0x4d44, 'vfat'],
  [0x2011bab0, 'exfat'],
  [0x5346544e, 'ntfs'],
  [0x65735546, 'fuse']
])

/**
 * Microseconds on Linux. Elsewhere the numbers mean something else, or nothing, and the type is
 * `unknown`; but a path on Windows shows a server, also that of a drive letter once it is real.
 */
export function describeFileSystem(
  location: string,
  platform: Platform = currentPlatform()
): FileSystem {
  if (platform.name === 'win32') return describePath(location)
  if (platform.name !== 'linux') return UNKNOWN
  const type = readType(location)
  const network = NETWORK_TYPES.get(type)
  if (network !== undefined) return { type: network, isNetwork: true }
  return { type: LOCAL_TYPES.get(type) ?? 'unknown', isNetwork: false }
}

const UNKNOWN: FileSystem = { type: 'unknown', isNetwork: false }

/** `\\server\share\…`, but not `\\?\C:\…` and `\\.\…`, which are this machine's. */
function describePath(location: string): FileSystem {
  const isServer = /^\\\\([^?.\\]|\?\\UNC\\)/i.test(location)
  return isServer ? { type: 'smb', isNetwork: true } : UNKNOWN
}

/** The number has 32 bits; where `long` has, too, those above a sign come with it. */
function readType(location: string): number {
  try {
    return Number(BigInt.asUintN(32, statfsSync(location, { bigint: true }).type))
  } catch {
    return 0 // Not even that: whatever is wrong, opening the database will say so better.
  }
}

/** @throws StartError when it is a network's. */
export function assertLocalFileSystem({ type, isNetwork }: FileSystem, location: string): void {
  if (!isNetwork) return
  const message = `${location} is on a network file system (${type}), where other machines could open the database at the same time and this machine's socket does not reach them. Move it to a local disk, or give --allow-network-fs (allowNetworkFs in PartyLevel) if no other machine uses it.`
  const details = { path: location, pid: process.pid }
  throw new StartError('usage', new PartyError('PARTYD_NETWORK_FS', message, details))
}
