// A write that happens only if what it rests on is still so. Gathers checks and operations, encoded,
// and commits them as one.

import { LevelError } from '@partyd/shared'
import { type AnyDatabase, encodeKey, encodeValue } from './encoded.js'
import type { AtomicCommitOptions, AtomicDelOptions, AtomicPutOptions } from './operation-types.js'
import {
  commitAtomic,
  type EncodedEntry,
  type PartyDatabase,
  type RootDatabase,
  whenOpen
} from './root-database.js'

/** Encodings of one operation, and the sublevel that it is for, without their types. */
interface Options {
  readonly keyEncoding?: unknown
  readonly valueEncoding?: unknown
  readonly sublevel?: unknown
}

/**
 * Checks and writes in one step: see `db.atomic()`. Can be committed once.
 *
 * @template TDatabase Type of the database or sublevel that it was made by.
 * @template KDefault The default type of keys if not overridden on operations.
 * @template VDefault The default type of values if not overridden on operations.
 */
export class Atomic<TDatabase, KDefault = string, VDefault = string> {
  /** The database or sublevel that it was made by. */
  readonly db: TDatabase
  readonly #root: RootDatabase
  readonly #database: PartyDatabase
  readonly #checks: EncodedEntry[] = []
  readonly #operations: EncodedEntry[] = []
  #status: 'open' | 'committed' = 'open'

  /** @internal */
  constructor(db: TDatabase, root: RootDatabase) {
    this.db = db
    this.#root = root
    this.#database = db as PartyDatabase
  }

  /**
   * Commits only if the key has this value, byte by byte as encoded; with undefined, only if there is
   * no such key.
   *
   * @throws LevelError `LEVEL_INVALID_KEY`, `LEVEL_INVALID_VALUE`, or `LEVEL_BATCH_NOT_OPEN` behind `commit()`.
   */
  check(key: KDefault, expected: VDefault | undefined): this
  check<K = KDefault, V = VDefault>(
    key: K,
    expected: V | undefined,
    options: AtomicPutOptions<K, V>
  ): this
  check(key: unknown, expected: unknown, options: Options = {}): this {
    this.#assertOpen()
    this.#checks.push(
      expected === undefined
        ? { key: this.#encodeKey(key, options), value: undefined }
        : this.#encode(key, expected, options)
    )
    return this
  }

  /**
   * Puts an entry if all checks hold.
   * @throws LevelError as `check()` does.
   */
  put(key: KDefault, value: VDefault): this
  put<K = KDefault, V = VDefault>(key: K, value: V, options: AtomicPutOptions<K, V>): this
  put(key: unknown, value: unknown, options: Options = {}): this {
    this.#assertOpen()
    this.#operations.push(this.#encode(key, value, options))
    return this
  }

  /**
   * Deletes an entry if all checks hold.
   * @throws LevelError as `check()` does.
   */
  del(key: KDefault): this
  del<K = KDefault>(key: K, options: AtomicDelOptions<K>): this
  del(key: unknown, options: Options = {}): this {
    this.#assertOpen()
    this.#operations.push({ key: this.#encodeKey(key, options), value: undefined })
    return this
  }

  /**
   * Checks and writes in one step: nothing of any process comes in between.
   *
   * @returns whether all checks held. If one did not, nothing was written.
   * @throws what `batch()` rejects with; `PARTYD_INCOMPATIBLE` when the daemon is older than this.
   */
  async commit(options: AtomicCommitOptions = {}): Promise<boolean> {
    this.#assertOpen()
    this.#status = 'committed'
    return whenOpen(this.#database, () =>
      commitAtomic(this.#root, this.#checks, this.#operations, options)
    )
  }

  #encode(key: unknown, value: unknown, options: Options): EncodedEntry {
    const encodedKey = this.#encodeKey(key, options)
    return {
      key: encodedKey,
      value: encodeValue(this.#target(options), value, options.valueEncoding)
    }
  }

  #encodeKey(key: unknown, options: Options): EncodedEntry['key'] {
    return encodeKey(this.#target(options), key, options.keyEncoding)
  }

  /** Where an operation is to happen. */
  #target({ sublevel }: Options): AnyDatabase {
    if (sublevel === undefined || sublevel === null) return this.#database
    const target = sublevel as AnyDatabase & { readonly db?: AnyDatabase }
    if (target.db === this.#root.database) return target
    throw new TypeError("The option 'sublevel' must be a sublevel of the same database")
  }

  #assertOpen(): void {
    if (this.#status === 'open') return
    const message = 'Atomic is not open: it has been committed, and can be only once'
    throw new LevelError('LEVEL_BATCH_NOT_OPEN', message)
  }
}
