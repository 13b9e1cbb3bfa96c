// Claiming a location: opening LevelDB, whose lock is the only authority, and waiting for a holder
// that may be about to let go.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DaemonMode,
  type DatabaseOptions,
  describeHold,
  findHold,
  findLockHolder,
  type Hold,
  hasDatabase,
  isDaemonProcess,
  isWork,
  keepsFrom,
  PartyError,
  readRendezvous,
  TIMES,
  type Welcome
} from '@partyd/shared'
import { isTakingOver } from '../service/takeover.js'
import { Database } from '../store/database.js'
import { lockedError, openError, StartError } from './start-error.js'

export interface ClaimOptions {
  readonly location: string
  readonly mode: DaemonMode
  readonly database: DatabaseOptions
  /** Ends the wait for the lock. */
  readonly signal: AbortSignal
  onProgress(message: string): void
  /** Asks whether a daemon answers; only an answer counts. */
  probe(): Promise<Welcome | undefined>
  /** A daemon answers there. @throws AlreadyRunning unless it is to be waited for. */
  onServed(welcome: Welcome): Promise<void>
}

export interface Claim {
  readonly database: Database
  /** Whether there was no database before. */
  readonly created: boolean
}

/**
 * Opens the database of a location, once nobody else has it.
 * @throws StartError with what is wrong; AlreadyRunning when a daemon answers; the signal's reason.
 */
export async function claim(options: ClaimOptions): Promise<Claim> {
  const { location } = options
  const created = !hasDatabase(location)
  const database = await openWhenFree(options)
  try {
    await assertNoForeignKey(location, database)
  } catch (error) {
    await database.close()
    throw error
  }
  return { database, created }
}

/** The first read of all: it may be what finds that a table cannot be read. */
async function assertNoForeignKey(location: string, database: Database): Promise<void> {
  let key: Buffer | undefined
  try {
    key = await database.findForeignHiddenKey()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw openError(location, code ?? 'LEVEL_IO_ERROR', message)
  }
  if (key !== undefined) throw foreignKeyError(location, key)
}

async function openWhenFree(options: ClaimOptions): Promise<Database> {
  const { location, signal } = options
  const startedAt = performance.now()
  let delay: number = TIMES.lockPollFirst
  for (;;) {
    signal.throwIfAborted()
    const isLastTry = performance.now() - startedAt >= findLockWaitMs(options)
    // A failed open renames the holder's LOG away, so the kernel's table is asked first.
    if (isLastTry || findLockHolder(location) === undefined) {
      await awaitEndOfHold(options)
      const database = await tryOpen(options)
      if (database !== undefined) return database
    }
    if (isLastTry) throw lockedError(location)
    const welcome = await options.probe()
    if (welcome !== undefined) await options.onServed(welcome)
    options.onProgress(describeWait(location))
    // Aborted, it rejects with an error of its own: the loop throws the signal's reason.
    await sleep(delay, undefined, { signal }).catch(() => signal.throwIfAborted())
    // Clients wait for whoever takes over.
    delay = isTakingOver(location) ? TIMES.lockPollFirst : Math.min(delay * 2, TIMES.lockPollMax)
  }
}

/** Repairing and destroying do without LevelDB's lock, at least in part: nobody may open it then. */
async function awaitEndOfHold(options: ClaimOptions): Promise<void> {
  const { location, mode, signal } = options
  const isHolding = (hold: Hold | undefined): hold is Hold =>
    hold !== undefined && (mode === 'auto' ? keepsFrom(hold, process.ppid) : isWork(hold))
  let saidAt = Number.NEGATIVE_INFINITY
  for (let hold = findHold(location); isHolding(hold); hold = findHold(location)) {
    if (performance.now() - saidAt >= TIMES.openProgress) {
      options.onProgress(`Waiting for ${location}: ${describeHold(hold)}`)
      saidAt = performance.now()
    }
    await sleep(TIMES.lockPollFirst, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** @returns undefined when somebody holds the lock. */
async function tryOpen(options: ClaimOptions): Promise<Database | undefined> {
  const { location, database } = options
  // Recovering a large log takes long, and whoever waits for us must know that we are alive.
  const progress = setInterval(
    () => options.onProgress(`Opening the database at ${location}`),
    TIMES.openProgress
  )
  try {
    return await Database.open(location, database)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'LEVEL_LOCKED') return undefined
    throw openError(location, code, message)
  } finally {
    clearInterval(progress)
  }
}

/** A partyd that holds the lock may be finishing a drain; any other program is there to stay. */
function findLockWaitMs({ location, mode }: ClaimOptions): number {
  if (mode === 'service') return Number.POSITIVE_INFINITY
  const holder = findLockHolder(location)
  const daemon = readRendezvous(location)
  if (holder?.pid === undefined || holder.pid === daemon?.pid) return TIMES.lockOfDaemon
  return isDaemonProcess(holder.pid) ? TIMES.lockOfDaemon : TIMES.lockOfForeigner
}

function describeWait(location: string): string {
  const pid = findLockHolder(location)?.pid
  return `Waiting for the lock of ${location}, held by ${pid === undefined ? 'another process' : `pid ${pid}`}`
}

function foreignKeyError(location: string, key: Buffer): StartError {
  const message = `The database at ${location} holds the key 0x${key.toString('hex')} in the range that partyd keeps for itself. Move that entry first.`
  const details = { path: location, pid: process.pid }
  return new StartError('incompatibleData', new PartyError('PARTYD_INCOMPATIBLE', message, details))
}
