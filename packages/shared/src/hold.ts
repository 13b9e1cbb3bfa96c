// `partyd.hold`: until when a location is to be left alone, because it was stopped on purpose or its
// files are being worked on. Clients wait instead of starting a daemon.

import { linkSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { LevelError } from './errors.js'
import { TIMES } from './limits.js'
import { locationFiles } from './location.js'
import { createOwnFile } from './own-file.js'

/** The content of `partyd.hold`. */
export interface Hold {
  readonly schema: 1
  /**
   * Why. `stop`, and `takeover` by a daemon that somebody starts on purpose, keep clients away, and
   * `restart` all but the one that has it held; work on the files keeps off everybody.
   */
  readonly reason: 'stop' | 'takeover' | 'restart' | 'destroy' | 'repair'
  /** Milliseconds since 1970. */
  readonly until: number
  /** Who holds it: for people to read. */
  readonly pid: number
}

/** The hold in force, if there is one. One that is over is removed. */
export function findHold(location: string): Hold | undefined {
  const text = readHold(location)
  if (text === undefined) return undefined
  const hold = parseHold(text)
  if (hold !== undefined && isInForce(hold)) return hold
  removeHold(location)
  return undefined
}

/** Likewise, for those who only look: whatever is there stays. */
export function peekHold(location: string): Hold | undefined {
  const text = readHold(location)
  const hold = text === undefined ? undefined : parseHold(text)
  return hold !== undefined && isInForce(hold) ? hold : undefined
}

/** Whether a client may not start a daemon for it. */
export function keepsFrom({ reason, pid }: Hold, client: number): boolean {
  return reason !== 'restart' || pid !== client
}

function readHold(location: string): string | undefined {
  try {
    return readFileSync(locationFiles(location).hold, 'utf8')
  } catch {
    return undefined // There is none, or it is not ours to read, and then nothing else is.
  }
}

function isInForce({ until }: Hold): boolean {
  const left = until - Date.now()
  // Further ahead than any hold may be: the clock has been set back.
  return left > 0 && left <= TIMES.holdMax
}

/** Undefined for what no partyd has written. */
function parseHold(text: string): Hold | undefined {
  try {
    const hold = JSON.parse(text) as Hold
    return hold.schema === 1 && typeof hold.until === 'number' ? hold : undefined
  } catch {
    return undefined
  }
}

/**
 * Takes the location for this process.
 * @param ms from now on; at most a day.
 * @returns false when somebody has it.
 */
export function takeHold(location: string, reason: Hold['reason'], ms: number): boolean {
  const { hold: path } = locationFiles(location)
  const temporary = writeTemporary(path, createHold(reason, ms))
  try {
    // Unlike a rename it fails when there is one, and unlike a new file it is there all at once.
    linkSync(temporary, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

/**
 * Takes the place of whatever hold there is, but for one of somebody else who works on the files.
 * @throws LevelError `LEVEL_LOCKED`
 */
export function writeHold(location: string, reason: Hold['reason'], ms: number): void {
  const hold = peekHold(location)
  if (hold !== undefined && isWork(hold) && hold.pid !== process.pid) {
    throw heldError(location, hold)
  }
  restoreHold(location, createHold(reason, ms))
}

/** Puts back a hold that another one had taken the place of. */
export function restoreHold(location: string, hold: Hold): void {
  const { hold: path } = locationFiles(location)
  renameSync(writeTemporary(path, hold), path)
}

function createHold(reason: Hold['reason'], ms: number): Hold {
  return { schema: 1, reason, until: Date.now() + ms, pid: process.pid }
}

function writeTemporary(path: string, hold: Hold): string {
  const temporary = `${path}.${process.pid}`
  createOwnFile(temporary, `${JSON.stringify(hold)}\n`)
  return temporary
}

/** Gives up the hold of this process. One that somebody else has put in its place stays. */
export function releaseHold(location: string): void {
  if (peekHold(location)?.pid === process.pid) removeHold(location)
}

/** Whoever holds the location. */
export function removeHold(location: string): void {
  try {
    rmSync(locationFiles(location).hold, { force: true })
  } catch {
    // Whoever may not remove it may not use the location either, and will hear of that.
  }
}

/** Whether the files are being worked on, so that nobody may open them. */
export function isWork({ reason }: Hold): boolean {
  return reason === 'destroy' || reason === 'repair'
}

/** What people are told of it. */
export function describeHold({ reason, until, pid }: Hold): string {
  const time = new Date(until).toISOString()
  if (reason === 'takeover') return `a daemon (pid ${pid}) is about to serve it`
  return reason === 'stop'
    ? `it was stopped to be left alone until ${time}`
    : `\`partyd ${reason}\` (pid ${pid}) is working on it, at least until ${time}`
}

/** Somebody has the location held, and whoever comes has to wait. */
export function heldError(location: string, hold: Hold | undefined): LevelError {
  const reason = hold === undefined ? 'somebody else was just working on it' : describeHold(hold)
  const message = `Cannot work on ${location}: ${reason}. Wait for it.`
  return new LevelError('LEVEL_LOCKED', message, { path: location, pid: hold?.pid })
}
