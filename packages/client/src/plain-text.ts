// Tells operations on plain text: those in which abstract-level has nothing to encode, and whose checks
// hold. They go the short way in party-level.ts.

import type { EncodedOperation, ReadOptions, WriteOptions } from './operation-frames.js'

/** The formats of an operation on text, as abstract-level says them to an implementation. */
export const TEXT: ReadOptions & WriteOptions = Object.freeze({
  keyEncoding: 'utf8',
  valueEncoding: 'utf8'
})

/** @param encoding an option; an object may have the name but not the meaning. */
export function isTextEncoding(encoding: unknown): boolean {
  return encoding === undefined || encoding === 'utf8'
}

/** An operation of a batch as it is given, by its user. */
interface GivenOperation {
  readonly type?: unknown
  readonly key?: unknown
  readonly value?: unknown
  readonly keyEncoding?: unknown
  readonly valueEncoding?: unknown
  readonly sublevel?: unknown
}

/** Whether the keys of a getMany are what they would be once encoded. */
export function isPlainKeys(keys: unknown): keys is readonly string[] {
  if (!Array.isArray(keys) || keys.length === 0) return false
  for (const key of keys) if (typeof key !== 'string') return false
  return true
}

/** Whether the operations of a batch are what they would be once encoded. */
export function isPlainBatch(operations: unknown): operations is readonly EncodedOperation[] {
  if (!Array.isArray(operations) || operations.length === 0) return false
  // Not every(): that takes no notice of holes.
  for (const operation of operations) if (!isPlainOperation(operation)) return false
  return true
}

function isPlainOperation(operation: GivenOperation | null | undefined): boolean {
  const { type, key, value, keyEncoding, valueEncoding, sublevel } = operation ?? {}
  if (keyEncoding !== undefined || valueEncoding !== undefined || sublevel !== undefined) {
    return false
  }
  const isWrite = type === 'del' || (type === 'put' && typeof value === 'string')
  return isWrite && typeof key === 'string'
}
