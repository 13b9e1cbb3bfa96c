// What clients tell each other, in a file in the location, about daemons that could not start: so
// that a crash loop is not driven by everybody who waits, and everybody learns the reason.

import { readFileSync } from 'node:fs'
import {
  findLockHolder,
  fromWireError,
  type LevelError,
  LIMITS,
  locationFiles,
  replaceOwnFile,
  TIMES,
  toWireError,
  type WireError
} from '@partyd/shared'

interface StartRecord {
  readonly schema: 1
  /** When daemons died before they were ready, by themselves; milliseconds since 1970. */
  readonly crashes: readonly number[]
  /** Until when nobody should start another. */
  readonly pauseUntil: number
  /** Which program crashed, for clients that would run the same one: see `identifyProgram()`. */
  readonly program?: string
  readonly error: WireError
}

/**
 * The reason not to start a daemon now; undefined when one may be started.
 * @param program what would be run. That another client's program crashes says nothing about it.
 */
export function findStartPause(location: string, program: string): Error | undefined {
  const record = readRecord(location)
  if (record === undefined) return undefined
  const { pauseUntil, error } = record
  if (record.crashes.length > 0 && record.program !== program) return undefined
  // Further ahead than any pause is long: the clock has been set back.
  const isOver = Date.now() >= pauseUntil || pauseUntil - Date.now() > TIMES.crashPause
  const isGone = error.code === 'LEVEL_LOCKED' && findLockHolder(location) === undefined
  if (isOver || isGone) return undefined
  return record.crashes.length >= LIMITS.spawnsMax ? explainPause(record) : fromWireError(error)
}

function explainPause({ pauseUntil, crashes, error }: StartRecord): Error {
  const seconds = Math.ceil((pauseUntil - Date.now()) / 1000)
  const message = `${crashes.length} daemons have ended before they were ready, so that no other is started for ${seconds} s. ${error.message}`
  return fromWireError({ ...error, message })
}

/** A daemon died before it was ready. After some in a row nobody runs that program for a while. */
export function recordCrash(location: string, program: string, error: Error): void {
  const now = Date.now()
  const last = readRecord(location)
  const past = last?.program === program ? last.crashes : []
  const recent = past.filter((at) => now - at < TIMES.crashWindow)
  const crashes = [...recent, now]
  const pauseUntil = crashes.length >= LIMITS.spawnsMax ? now + TIMES.crashPause : 0
  writeRecord(location, { schema: 1, crashes, pauseUntil, program, error: toWireError(error) })
}

/**
 * A daemon has said that it cannot open the database. Where another program holds the lock, it will
 * for longer than it takes to ask again; for the rest nobody need wait, but `doctor` wants to know.
 */
export function recordFailure(location: string, error: LevelError): void {
  const pauseUntil = error.code === 'LEVEL_LOCKED' ? Date.now() + TIMES.lockedPause : 0
  writeRecord(location, { schema: 1, crashes: [], pauseUntil, error: toWireError(error) })
}

function readRecord(location: string): StartRecord | undefined {
  try {
    const text = readFileSync(locationFiles(location).failed, 'utf8')
    const record = JSON.parse(text) as StartRecord
    return record.schema === 1 && Array.isArray(record.crashes) ? record : undefined
  } catch {
    return undefined // There is none, or it is not ours to read: it is only advice.
  }
}

function writeRecord(location: string, record: StartRecord): void {
  const { failed } = locationFiles(location)
  try {
    replaceOwnFile(failed, `${JSON.stringify(record)}\n`, `${failed}.${process.pid}`)
  } catch {
    // A location that cannot be written to has better reasons to tell.
  }
}
