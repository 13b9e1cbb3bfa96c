// Why nobody serves a location, as far as its files and the kernel tell. Nothing is changed.

import { existsSync, realpathSync } from 'node:fs'
import {
  describeHold,
  type ExitRecord,
  findLockHolder,
  type Hold,
  isDaemonProcess,
  peekHold,
  readExitRecord
} from '@partyd/shared'
import { commandLineOf } from './process-table.js'

/** Who has LevelDB's lock. */
export interface LockOwner {
  /** Undefined where the kernel does not tell. */
  readonly pid: number | undefined
  readonly command: string | undefined
  /** Whether it has a daemon's title. */
  readonly isDaemon: boolean
}

export interface Absence {
  readonly lastExit: ExitRecord | undefined
  readonly hold: Hold | undefined
  readonly lockOwner: LockOwner | undefined
}

export function findAbsence(directory: string): Absence {
  if (!existsSync(directory)) return { lastExit: undefined, hold: undefined, lockOwner: undefined }
  const location = realpathSync.native(directory)
  return {
    lastExit: readExitRecord(location),
    hold: peekHold(location),
    lockOwner: findLockOwner(location)
  }
}

export function findLockOwner(location: string): LockOwner | undefined {
  const holder = findLockHolder(location)
  if (holder === undefined) return undefined
  const { pid } = holder
  if (pid === undefined) return { pid, command: undefined, isDaemon: false }
  return { pid, command: commandLineOf(pid), isDaemon: isDaemonProcess(pid) }
}

/** For people, by name; what there is nothing to say about is undefined. */
export function describeAbsence({ lastExit, hold, lockOwner }: Absence): Record<string, unknown> {
  return {
    'last exit': lastExit && `${lastExit.at}, code ${lastExit.code}: ${lastExit.reason}`,
    hold: hold && describeHold(hold),
    lock: lockOwner && describeLockOwner(lockOwner)
  }
}

export function describeLockOwner({ pid, command, isDaemon }: LockOwner): string {
  if (pid === undefined) return 'held by a process that the kernel does not name here'
  if (isDaemon) return `held by pid ${pid}, a daemon that is starting or ending`
  return `held by pid ${pid}, which is not partyd: ${command ?? 'unknown'}`
}
