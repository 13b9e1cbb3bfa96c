// What atomic needs of the database on the socket, from whichever sublevel of it
// it is called: abstract-level does not know the operation, so no sublevel hands it on.

import { type Bytes, type FrameReader, KIND, LevelError, RESULT, WRITE_FLAGS } from '@partyd/shared'
import { expectKind } from './answers.js'
import type { AnyDatabase } from './encoded.js'
import type { Requests } from './requests.js'
import type { AtomicCommitOptions } from './types.js'

export interface RootDatabase {
  readonly database: AnyDatabase
  /** @throws LevelError `LEVEL_DATABASE_NOT_OPEN`, with the cause if opening it has failed. */
  connected(): Requests
}

/** A key, and its value: the one it must have, or is to get; undefined where there is to be none. */
export interface EncodedEntry {
  readonly key: Bytes
  readonly value: Bytes | undefined
}

/** Runs an operation when the database it was called on is open, as abstract-level does with its own. */
export function whenOpen<T>(
  database: AnyDatabase,
  operation: () => Promise<T>,
  signal?: AbortSignal
): Promise<T> {
  if (database.status === 'open') return operation()
  if (database.status === 'opening') {
    return database.deferAsync(() => whenOpen(database, operation, signal), { signal })
  }
  return Promise.reject(new LevelError('LEVEL_DATABASE_NOT_OPEN', 'Database is not open'))
}

/** @returns whether the checks held, and so the operations are in the database. */
export function commitAtomic(
  { connected }: RootDatabase,
  checks: readonly EncodedEntry[],
  operations: readonly EncodedEntry[],
  { sync }: AtomicCommitOptions
): Promise<boolean> {
  const requests = connected()
  const frame = requests.begin(KIND.atomic)
  frame.uint8(sync ? WRITE_FLAGS.sync : 0)
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
