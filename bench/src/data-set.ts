// The keys and values of a benchmark, the same in every process, and the check that what was read
// is right. Everything is made before the clock runs.

/** What a database is filled with. */
export interface DataShape {
  readonly keys: number
  readonly valueBytes: number
}

/** A key or value as it was read. */
export type Read = string | Uint8Array | undefined

/** Values are drawn from a pool of at most so many bytes, and at most so many values. */
const POOL_BYTES = 32 * 1024 * 1024
const POOL_VALUES = 1024
/** Each key may have one of so many values, so that a put changes something. */
const VERSIONS = 4
/** Where buffers are read, every so many-th entry is compared as a whole and the rest in part. */
const FULL_CHECK_EVERY = 16

export const KEY_BYTES = 16
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

export class DataSet {
  readonly shape: DataShape
  readonly keys: readonly string[]
  /** Values by class and version; a key's class is its index modulo the number of classes. */
  readonly #values: readonly string[]
  readonly #buffers: readonly Buffer[]
  readonly #classes: number

  constructor(shape: DataShape) {
    this.shape = shape
    this.keys = Array.from({ length: shape.keys }, (_, index) => createKey(index))
    const values = Math.min(POOL_VALUES, Math.floor(POOL_BYTES / shape.valueBytes))
    this.#classes = Math.max(1, Math.floor(values / VERSIONS))
    const random = new Random(1)
    this.#values = Array.from({ length: this.#classes * VERSIONS }, (_, slot) =>
      createValue(slot, shape.valueBytes, random)
    )
    this.#buffers = this.#values.map((value) => Buffer.from(value))
  }

  key(index: number): string {
    return this.keys[index] as string
  }

  /** One of the values that the key with this index may have. */
  value(index: number, version: number): string {
    const slot = (index % this.#classes) * VERSIONS + (version & (VERSIONS - 1))
    return this.#values[slot] as string
  }

  valueBuffer(index: number, version: number): Buffer {
    const slot = (index % this.#classes) * VERSIONS + (version & (VERSIONS - 1))
    return this.#buffers[slot] as Buffer
  }

  /** @throws Error when this is no value of the key with this index. */
  checkValue(index: number, value: Read): void {
    if (typeof value === 'string') {
      if (value === this.value(index, value.charCodeAt(VERSION_AT) - 48)) return
    } else if (value !== undefined && this.#isValueBuffer(index, value)) return
    throw new Error(`The value of '${this.keys[index]}' is wrong: ${describe(value)}`)
  }

  /** @throws Error when this is not the key with this index. */
  checkKey(index: number, key: Read): void {
    const expected = this.keys[index]
    if (typeof key === 'string') {
      if (key === expected) return
    } else if (key !== undefined && expected !== undefined && isKeyBuffer(index, expected, key)) {
      return
    }
    throw new Error(`Expected the key '${expected}', not ${describe(key)}`)
  }

  #isValueBuffer(index: number, value: Uint8Array): boolean {
    const expected = this.valueBuffer(index, (value[VERSION_AT] ?? 48) - 48)
    if (value.length !== expected.length) return false
    if (index % FULL_CHECK_EVERY === 0) return expected.equals(value)
    const last = value.length - 1
    return value[0] === expected[0] && value[1] === expected[1] && value[last] === expected[last]
  }
}

function isKeyBuffer(index: number, expected: string, key: Uint8Array): boolean {
  if (key.length !== KEY_BYTES) return false
  if (index % FULL_CHECK_EVERY === 0) return Buffer.from(expected).equals(key)
  return (
    key[KEY_BYTES - 1] === expected.charCodeAt(KEY_BYTES - 1) &&
    key[KEY_BYTES - 2] === expected.charCodeAt(KEY_BYTES - 2)
  )
}

function createKey(index: number): string {
  return `key-${String(index).padStart(KEY_BYTES - 4, '0')}`
}

/** A value says its class in three digits and its version in the fourth. */
const VERSION_AT = 3

function createValue(slot: number, bytes: number, random: Random): string {
  const version = slot % VERSIONS
  const head = String(Math.floor(slot / VERSIONS)).padStart(VERSION_AT, '0') + String(version)
  // Buffer.toString gives a flat string; a concatenated one would be flattened while the clock runs.
  const text = Buffer.alloc(bytes)
  for (let at = 0; at < bytes; at++) text[at] = ALPHABET.charCodeAt(random.below(ALPHABET.length))
  text.write(head, 'latin1')
  return text.toString('latin1')
}

function describe(read: Read): string {
  if (read === undefined) return 'undefined'
  const text = typeof read === 'string' ? read : Buffer.from(read).toString('latin1')
  return `'${text.slice(0, 40)}' of ${read.length} bytes`
}

/** xorshift32: quick, and the same numbers from the same seed. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 0 || 1
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % limit
  }
}
