// Keys and values as they travel: encoded by the database or sublevel they were given to, keys with
// the prefixes of all the sublevels they are in. For the operations that abstract-level does not know.

import { type Bytes, LevelError } from '@partyd/shared'
import type { AbstractLevel } from 'abstract-level'
import type { WatchRange } from './operation-types.js'
import type { Range } from './range.js'

/** A database or a sublevel, whatever its types of keys and values. */
export type AnyDatabase = AbstractLevel<Bytes, unknown, unknown>

/** What this code needs of an encoding. */
export interface Encoding {
  readonly format: 'utf8' | 'buffer' | 'view'
  encode(data: unknown): Bytes | null | undefined
  decode(data: Bytes): unknown
}

/** What abstract-level takes as an encoding: a name or an object. */
export type EncodingOption = unknown

export function keyEncodingOf(database: AnyDatabase, option: EncodingOption): Encoding {
  return database.keyEncoding(option as 'utf8') as unknown as Encoding
}

export function valueEncodingOf(database: AnyDatabase, option: EncodingOption): Encoding {
  return database.valueEncoding(option as 'utf8') as unknown as Encoding
}

/**
 * JSON makes undefined of a function, for example, and an encoding of the user's own of anything.
 * @throws LevelError `LEVEL_INVALID_KEY`
 */
export function assertKey(key: Bytes | null | undefined): asserts key is Bytes {
  if (key !== undefined && key !== null) return
  throw new LevelError('LEVEL_INVALID_KEY', 'The encoding has made nothing of the key')
}

/** @throws LevelError `LEVEL_INVALID_VALUE`, likewise. */
export function assertValue(value: Bytes | null | undefined): asserts value is Bytes {
  if (value !== undefined && value !== null) return
  throw new LevelError('LEVEL_INVALID_VALUE', 'The encoding has made nothing of the value')
}

/** @throws LevelError `LEVEL_INVALID_KEY` for null and undefined, as everywhere in abstract-level. */
export function encodeKey(database: AnyDatabase, key: unknown, option: EncodingOption): Bytes {
  if (key === null || key === undefined) {
    throw new LevelError('LEVEL_INVALID_KEY', 'Key cannot be null or undefined')
  }
  return prefixed(database, key, keyEncodingOf(database, option))
}

function prefixed(database: AnyDatabase, key: unknown, encoding: Encoding): Bytes {
  const encoded = encoding.encode(key)
  assertKey(encoded)
  return database.prefixKey(encoded as string, encoding.format as 'utf8', false)
}

/** How long the prefix of a sublevel's keys is; 0 for the database itself. Prefixes are ASCII. */
export function prefixBytesOf(database: AnyDatabase): number {
  return prefixOf(database).length
}

function prefixOf(database: AnyDatabase): string {
  return (database as AnyDatabase & { readonly prefix?: string }).prefix ?? ''
}

/** A range of the keys of a database or sublevel, as one of the keys of the root database. */
export function encodeRange(
  database: AnyDatabase,
  { gt, gte, lt, lte }: WatchRange<unknown>,
  encoding: Encoding
): Range {
  const range: Range = {}
  if (gte !== undefined) range.gte = prefixed(database, gte, encoding)
  else if (gt !== undefined) range.gt = prefixed(database, gt, encoding)
  if (lte !== undefined) range.lte = prefixed(database, lte, encoding)
  else if (lt !== undefined) range.lt = prefixed(database, lt, encoding)
  const prefix = prefixOf(database)
  if (prefix === '') return range
  const separator = prefix.charCodeAt(prefix.length - 1)
  const hasLower = range.gte !== undefined || range.gt !== undefined
  const hasUpper = range.lte !== undefined || range.lt !== undefined
  if (!hasLower) range.gte = prefix
  // The character behind the separator is reserved to end a sublevel.
  if (!hasUpper) range.lt = prefix.slice(0, -1) + String.fromCharCode(separator + 1)
  return range
}

/** @throws LevelError `LEVEL_INVALID_VALUE` for null and undefined, also where the encoding makes that of a value. */
export function encodeValue(database: AnyDatabase, value: unknown, option: EncodingOption): Bytes {
  if (value === null || value === undefined) {
    throw new LevelError('LEVEL_INVALID_VALUE', 'Value cannot be null or undefined')
  }
  const encoded = valueEncodingOf(database, option).encode(value)
  // Behind here it would mean that there is to be no value.
  assertValue(encoded)
  return encoded
}

/** @throws LevelError `LEVEL_DECODE_ERROR` with the encoding's own error as its cause. */
export function decode(bytes: Buffer, encoding: Encoding, what: 'key' | 'value'): unknown {
  try {
    return encoding.decode(encoding.format === 'utf8' ? bytes.toString() : bytes)
  } catch (cause) {
    throw new LevelError('LEVEL_DECODE_ERROR', `Could not decode ${what}`, { cause })
  }
}
