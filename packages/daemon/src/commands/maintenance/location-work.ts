// What `destroy` and `repair` do to the files of a location: each stops the daemon that is there and
// holds off everybody until it is done.

import { existsSync, lstatSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  findEndpoint,
  findHold,
  findLockHolder,
  type Hold,
  hasRemains,
  heldError,
  isDaemonProcess,
  LevelError,
  type LockHolder,
  PartyError,
  readRendezvous,
  removeHold,
  restoreHold,
  stopDaemon,
  TIMES,
  takeHold,
  writeHold
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../../package-version.js'
import { lockedError, openError, StartError } from '../../start/start-error.js'
import { Database } from '../../store/database.js'

/**
 * Removes LevelDB's files, partyd's, and the directory if it is empty then. Without one it does nothing.
 * @param timeoutMs how long a daemon may take to end. The work itself is not cut short.
 * @returns whether there was anything to remove.
 */
export async function destroy(directory: string, timeoutMs?: number): Promise<boolean> {
  if (!existsSync(directory)) return false
  const location = findLocation(directory)
  const before = readdirSync(location)
  const endpoint = findEndpoint(location)
  const hold = new WorkHold(location, 'destroy')
  try {
    await freeLocation(location, timeoutMs)
    await work(location, Database.destroy)
    removeOwnFiles(location, endpoint)
  } catch (error) {
    hold.release()
    throw error
  }
  hold.end()
  removeDirectory(location)
  return !existsSync(location) || !before.every((name) => existsSync(join(location, name)))
}

/** Puts the database together from what can be read. @param timeoutMs likewise. */
export async function repair(directory: string, timeoutMs?: number): Promise<void> {
  const location = findLocation(directory)
  // LevelDB would make one, and a typing error would pass for a repair.
  if (!hasRemains(location)) throw nothingToRepair(location)
  const hold = new WorkHold(location, 'repair')
  try {
    await freeLocation(location, timeoutMs)
    await assertUnlocked(location)
    await work(location, Database.repair)
  } finally {
    hold.release()
  }
}

function findLocation(directory: string): string {
  try {
    const location = realpathSync.native(directory)
    readdirSync(location)
    process.title = `partyd ${location}`
    return location
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const details = { path: directory, pid: process.pid, cause: error }
    if (code !== 'EACCES' && code !== 'EPERM') {
      const text = `There is no database directory: ${message}`
      throw new StartError('usage', new LevelError('LEVEL_IO_ERROR', text, details))
    }
    const text = `This user may not use ${directory}: ${message}.`
    throw new StartError('disk', new PartyError('PARTYD_PERMISSION', text, details))
  }
}

function nothingToRepair(path: string): StartError {
  const text = `There is no database in ${path}, nor anything that one could be made of`
  const error = new LevelError('LEVEL_INVALID_ARGUMENT', text, { path, pid: process.pid })
  return new StartError('usage', error)
}

async function work(location: string, run: (location: string) => Promise<void>): Promise<void> {
  try {
    await run(location)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // Whoever got it since we looked is no partyd: those see the hold.
    if (code === 'LEVEL_LOCKED' || findLockHolder(location) !== undefined)
      throw lockedError(location)
    throw openError(location, code ?? 'LEVEL_IO_ERROR', message)
  }
}

/** The kernel's table of locks is not there everywhere, and does not show what another container holds. */
async function assertUnlocked(location: string): Promise<void> {
  if (await Database.isLocked(location)) throw lockedError(location)
}

/** A hold that is renewed for as long as the work takes. */
class WorkHold {
  readonly #location: string
  /** Somebody had stopped the location to be left alone: that goes on afterwards. */
  readonly #before: Hold | undefined
  readonly #timer: NodeJS.Timeout

  /** @throws StartError when somebody else is working on the location. */
  constructor(location: string, reason: 'destroy' | 'repair') {
    this.#location = location
    this.#before = findHold(location)
    if (this.#before?.reason === 'stop') removeHold(location)
    if (!takeOrFail(location, reason)) {
      throw new StartError('locked', heldError(location, findHold(location)))
    }
    this.#timer = setInterval(() => this.#renew(reason), TIMES.holdRenew)
  }

  #renew(reason: 'destroy' | 'repair'): void {
    try {
      writeHold(this.#location, reason, TIMES.hold)
    } catch {
      // A full disk, for example. The work goes on, and the hold for as long as it was taken.
    }
  }

  /** The location is there to be used again. */
  release(): void {
    this.end()
    if (this.#before !== undefined && this.#before.until > Date.now()) {
      restoreHold(this.#location, this.#before)
    }
  }

  end(): void {
    clearInterval(this.#timer)
    removeHold(this.#location)
  }
}

/**
 * Stops the daemon, if there is one, and resolves when LevelDB's lock has been free for long enough
 * that nobody can be about to take it who had not seen the hold.
 * @throws StartError when somebody else has the lock, or the daemon does not let go of it in time.
 */
async function freeLocation(location: string, timeoutMs: number | undefined): Promise<void> {
  let freeSince: number | undefined
  for (;;) {
    await stop(location, timeoutMs)
    const holder = findLockHolder(location)
    if (holder === undefined) {
      freeSince ??= performance.now()
      if (performance.now() - freeSince >= TIMES.holdSettle) return
    } else {
      freeSince = undefined
      if (!isDaemon(location, holder)) throw lockedError(location)
    }
    await sleep(TIMES.lockPollFirst)
  }
}

/** One that has come since can be stopped, too. */
function isDaemon(location: string, { pid }: LockHolder): boolean {
  return pid === undefined || pid === readRendezvous(location)?.pid || isDaemonProcess(pid)
}

/** @throws StartError when it does not answer, or does not end in time. */
async function stop(location: string, timeoutMs: number | undefined): Promise<void> {
  try {
    await stopDaemon(location, PACKAGE_VERSION, timeoutMs)
  } catch (error) {
    throw new StartError('alreadyRunning', error as PartyError)
  }
}

function takeOrFail(location: string, reason: 'destroy' | 'repair'): boolean {
  try {
    return takeHold(location, reason, TIMES.hold)
  } catch (error) {
    throw openError(location, 'LEVEL_IO_ERROR', (error as Error).message)
  }
}

/** What partyd keeps in a location, but for the hold: sockets, records, logs, and leftovers of each. */
const OWN_FILES =
  /^(partyd\.(sock|json|json\.tmp|log|log\.\d+|token|token\.tmp|exit\.json|failed\.json|failed\.json\.\d+|hold\.\d+|spawn\.lock)|\.[px][0-9a-f]{8})$/
/** Where LevelDB's repair puts what it could not use. */
const LOST = /^(CURRENT|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/

/** @param endpoint which may lie elsewhere; nobody serves it any more. */
function removeOwnFiles(location: string, endpoint: string): void {
  if (lstatSync(endpoint, { bigint: true, throwIfNoEntry: false })?.isSocket()) rmSync(endpoint)
  for (const name of readdirSync(location)) {
    if (OWN_FILES.test(name)) rmSync(join(location, name), { recursive: true, force: true })
  }
  const lost = join(location, 'lost')
  if (!existsSync(lost)) return
  for (const name of readdirSync(lost)) if (LOST.test(name)) rmSync(join(lost, name))
  removeDirectory(lost)
}

/** Unless something else is in it: another program's files, or a client that has come since. */
function removeDirectory(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw error
  }
}
