// The frames of what abstract-level knows by key and range: reads, writes and clears. Each function
// begins a frame and writes its body; whoever calls it sends the frame in the same turn.

import {
  type Bytes,
  CLEAR_FLAGS,
  type FrameWriter,
  KIND,
  LIMITS,
  NO_LIMIT,
  PartyError,
  READ_FLAGS,
  WRITE_FLAGS
} from '@partyd/shared'
import type { AbstractClearOptions, AbstractSnapshot } from 'abstract-level'
import { assertKey, assertValue } from './encoded.js'
import { pickRange, type Range, writeRange } from './range.js'
import type { Requests } from './requests.js'
import type { SnapshotLease } from './snapshot.js'

/** Options of a read as abstract-level hands them to an implementation. */
export interface ReadOptions {
  readonly valueEncoding?: string
  readonly fillCache?: boolean
  readonly snapshot?: AbstractSnapshot
}

export interface WriteOptions {
  readonly sync?: boolean | undefined
}

/** An operation of a batch with its key and value encoded. */
export type EncodedOperation =
  | { readonly type: 'put'; readonly key: Bytes; readonly value: Bytes }
  | { readonly type: 'del'; readonly key: Bytes }

/** A get or a has. */
export function writeRead(
  requests: Requests,
  kind: number,
  key: Bytes,
  options: ReadOptions,
  lease: SnapshotLease | undefined
): void {
  assertKey(key)
  const frame = requests.begin(kind)
  writeReadFlags(frame, options, lease)
  frame.tail(key)
}

/**
 * A getMany or a hasMany.
 * @throws PartyError `PARTYD_TOO_LARGE`
 */
export function writeReads(
  requests: Requests,
  kind: number,
  keys: readonly Bytes[],
  options: ReadOptions,
  lease: SnapshotLease | undefined
): void {
  if (keys.length > LIMITS.keysMax) {
    throw new PartyError(
      'PARTYD_TOO_LARGE',
      `${keys.length} keys are more than the ${LIMITS.keysMax} allowed at a time. Ask for fewer.`
    )
  }
  keys.forEach(assertKey)
  const frame = requests.begin(kind)
  writeReadFlags(frame, options, lease)
  frame.uint32(keys.length)
  for (const key of keys) frame.bytes(key)
}

function writeReadFlags(
  frame: FrameWriter,
  { fillCache }: ReadOptions,
  lease: SnapshotLease | undefined
): void {
  const flags = fillCache === false ? READ_FLAGS.noFillCache : 0
  if (lease === undefined) return frame.uint8(flags)
  frame.uint8(flags | READ_FLAGS.snapshot)
  frame.uint32(lease.number)
}

/** @param byDefault what holds for a write that does not say; the daemon's default, if nothing does. */
export function writeFlags(options: WriteOptions, byDefault: true | undefined): number {
  const sync = options.sync ?? byDefault
  if (sync === undefined) return 0
  return sync ? WRITE_FLAGS.sync : WRITE_FLAGS.noSync
}

export function writePut(requests: Requests, flags: number, key: Bytes, value: Bytes): void {
  assertKey(key)
  assertValue(value)
  const frame = requests.begin(KIND.put)
  frame.uint8(flags)
  frame.bytes(key)
  frame.tail(value)
}

export function writeDel(requests: Requests, flags: number, key: Bytes): void {
  assertKey(key)
  const frame = requests.begin(KIND.del)
  frame.uint8(flags)
  frame.tail(key)
}

export function writeBatch(
  requests: Requests,
  flags: number,
  operations: readonly EncodedOperation[]
): void {
  operations.forEach(assertOperation)
  const frame = requests.begin(KIND.batch)
  frame.uint8(flags)
  frame.uint32(operations.length)
  for (const operation of operations) {
    frame.uint8(operation.type === 'put' ? 1 : 0)
    frame.bytes(operation.key)
    if (operation.type === 'put') frame.bytes(operation.value)
  }
}

function assertOperation(operation: EncodedOperation): void {
  assertKey(operation.key)
  if (operation.type === 'put') assertValue(operation.value)
}

export function writeClear(
  requests: Requests,
  options: AbstractClearOptions<Bytes>,
  lease: SnapshotLease | undefined
): void {
  const { reverse, limit = -1 } = options
  const frame = requests.begin(KIND.clear)
  frame.uint8((reverse ? CLEAR_FLAGS.reverse : 0) | (lease ? CLEAR_FLAGS.snapshot : 0))
  if (lease !== undefined) frame.uint32(lease.number)
  frame.uint53(limit < 0 ? NO_LIMIT : limit)
  writeRange(frame, pickRange(options as Range))
}
