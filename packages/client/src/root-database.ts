// What atomic, update and watch need of the database on the socket, from whichever sublevel of it
// they are called: abstract-level does not know these operations, so no sublevel hands them on.

import { type Bytes, type FrameReader, KIND, RESULT } from '@partyd/shared'
import { decodeBuffer, expectKind } from './answers.js'
import type { AnyDatabase } from './encoded.js'
import type { OpenFailure } from './open-failure.js'
import type { AtomicCommitOptions } from './operation-types.js'
import type { Requests } from './requests.js'
import type { UpdateTurns } from './update-turns.js'

/** The database or a sublevel of it. */
export type PartyDatabase = AnyDatabase & { readonly openFailure: OpenFailure }

export interface RootDatabase {
  readonly database: PartyDatabase
  /** As it was opened last. */
  retry: boolean
  retryTimeoutMs: number
  readonly updateTurns: UpdateTurns
  /** The flags of a write with these options. */
  writeFlags(options: AtomicCommitOptions): number
  /** @throws LevelError `LEVEL_DATABASE_NOT_OPEN`, with the cause if opening it has failed. */
  connected(): Requests
}

/** A key, and its value: the one it must have, or is to get; undefined where there is to be none. */
export interface EncodedEntry {
  readonly key: Bytes
  readonly value: Bytes | undefined
}

/**
 * Runs an operation when the database it was called on is open, as abstract-level does with its own.
 * Rejects with `LEVEL_DATABASE_NOT_OPEN`, and the cause if opening it has failed.
 */
export function whenOpen<T>(
  database: PartyDatabase,
  operation: () => Promise<T>,
  signal?: AbortSignal
): Promise<T> {
  if (database.status === 'open') return operation()
  if (database.status === 'opening') {
    return database.deferAsync(() => whenOpen(database, operation, signal), { signal })
  }
  return Promise.reject(database.openFailure.createError())
}

/** Reads a value as it is stored. */
export function getBytes({ connected }: RootDatabase, key: Bytes): Promise<Buffer | undefined> {
  const requests = connected()
  const frame = requests.begin(KIND.get)
  frame.uint8(0)
  frame.tail(key)
  return requests.request(decodeBuffer)
}

/** @returns whether the checks held, and so the operations are in the database. */
export function commitAtomic(
  { connected, writeFlags }: RootDatabase,
  checks: readonly EncodedEntry[],
  operations: readonly EncodedEntry[],
  options: AtomicCommitOptions
): Promise<boolean> {
  const requests = connected()
  const frame = requests.begin(KIND.atomic)
  frame.uint8(writeFlags(options))
  for (const entries of [checks, operations]) {
    frame.uint32(entries.length)
    for (const { key, value } of entries) {
      frame.uint8(value === undefined ? 0 : 1)
      frame.bytes(key)
      if (value !== undefined) frame.bytes(value)
    }
  }
  return requests.request(decodeVerdict)
}

function decodeVerdict(reader: FrameReader): boolean {
  expectKind(reader, KIND.done)
  return reader.uint8() === RESULT.ok
}
