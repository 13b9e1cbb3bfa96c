// The database as users know it: the types of abstract-level's API, the short way for plain text, and
// what abstract-level has not. How operations are carried out is socket-level.ts's to know.

import { type Bytes, stopDaemon } from '@partyd/shared'
import type { AbstractSublevelOptions } from 'abstract-level'
import { Atomic } from './atomic.js'
import type {
  BatchOperation,
  BatchOptions,
  ChainedBatch,
  DatabaseOptions,
  DelOptions,
  GetManyOptions,
  GetOptions,
  HasManyOptions,
  HasOptions,
  Iterator,
  IteratorOptions,
  KeyIterator,
  KeyIteratorOptions,
  PutOptions,
  StartEndOptions,
  ValueIterator,
  ValueIteratorOptions
} from './level-types.js'
import { type MaintenanceOptions, maintain } from './maintenance.js'
import type { UpdateFunction, UpdateOptions, WatchOptions, WatchRange } from './operation-types.js'
import { assertLocation } from './options.js'
import { PACKAGE_VERSION } from './package-version.js'
import type { DaemonInfo, PartyOperations, Sublevel } from './party-operations.js'
import { isPlainBatch, isPlainKeys, isTextEncoding, TEXT } from './plain-text.js'
import { approximateSize, compactRange, getInfo, getProperty } from './properties.js'
import type { Requests } from './requests.js'
import { whenOpen } from './root-database.js'
import { SocketLevel } from './socket-level.js'
import { update } from './update.js'
import { Watch } from './watch.js'

/** What this class has beyond abstract-level and can be asked for with `supports`. */
const ADDITIONAL_METHODS = {
  approximateSize: true,
  compactRange: true,
  getProperty: true,
  info: true
} as const

/** What the type of a hook does not know: whether it has functions to run. */
interface HookState {
  readonly noop: boolean
}

interface Encoder<K> {
  encode(value: K): Bytes
}

/**
 * A LevelDB database that any number of processes can open at the same location.
 *
 * @template KDefault The default type of keys if not overridden on operations.
 * @template VDefault The default type of values if not overridden on operations.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the class inherits all that the interface declares.
export class PartyLevel<KDefault = string, VDefault = string> extends SocketLevel<
  KDefault,
  VDefault
> {
  /** Whether keys and values are text unless an operation says otherwise. */
  readonly #isText: boolean

  /**
   * @param location Directory of the database, absolute or relative. Created if it does not exist.
   * @throws TypeError when the location or an option is not of its type.
   */
  constructor(location: string, options: DatabaseOptions<KDefault, VDefault> = {}) {
    super(location, options, ADDITIONAL_METHODS)
    this.#isText = isTextEncoding(options.keyEncoding) && isTextEncoding(options.valueEncoding)
  }

  /**
   * Stops the daemon of a location, if one runs, and resolves when LevelDB's lock is free. Clients
   * that are connected finish what they wait for; their next operation starts a daemon again.
   *
   * @throws PartyError when the daemon cannot be reached, or does not end within a minute.
   * @throws TypeError when the location is none.
   */
  static async stop(location: string): Promise<void> {
    assertLocation(location)
    await stopDaemon(location, PACKAGE_VERSION)
  }

  /**
   * Removes the database of a location with all its files, those of partyd too, and the directory if
   * nothing else is in it. A daemon that serves it is stopped first, as by `stop()`, and clients wait
   * until it is done. Nothing happens if there is no such directory.
   *
   * @throws LevelError `LEVEL_LOCKED`, with the pid, while another program holds LevelDB's lock.
   */
  static destroy(location: string, options: MaintenanceOptions = {}): Promise<void> {
    return maintain('destroy', location, options)
  }

  /**
   * Puts the database of a location together from what can still be read of a damaged one. As with
   * `destroy()`, a daemon is stopped first, and clients wait.
   *
   * @throws LevelError `LEVEL_LOCKED`, with the pid, while another program holds LevelDB's lock.
   */
  static repair(location: string, options: MaintenanceOptions = {}): Promise<void> {
    return maintain('repair', location, options)
  }

  // The short way: most calls are of text, and there abstract-level's checks, lookups of encodings and
  // promises were a tenth of what a client spends, and a fifth for a batch. `_get`,
  // `_getMany`, `_put` and `_batch` still do it.

  /** Whether text can be handed on as it is: what abstract-level would do with it is then nothing. */
  get #isPlain(): boolean {
    return this.#isText && this.status === 'open'
  }

  /** Whether somebody is to see writes before or after they are made. */
  get #isObserved(): boolean {
    const { prewrite } = this.hooks as unknown as { readonly prewrite: HookState }
    return !prewrite.noop || this.listenerCount('write') > 0
  }

  // Reads

  override get(key: KDefault): Promise<VDefault | undefined>
  override get<K = KDefault, V = VDefault>(
    key: K,
    options: GetOptions<K, V>
  ): Promise<V | undefined>
  override get<K, V>(key: K, options?: GetOptions<K, V>): Promise<V | undefined> {
    if (options !== undefined || typeof key !== 'string' || !this.#isPlain) {
      return super.get(key, options as GetOptions<K, V>)
    }
    try {
      return this._get(key, TEXT) as Promise<V | undefined>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  override getMany(keys: KDefault[]): Promise<(VDefault | undefined)[]>
  override getMany<K = KDefault, V = VDefault>(
    keys: K[],
    options: GetManyOptions<K, V>
  ): Promise<(V | undefined)[]>
  override getMany<K, V>(keys: K[], options?: GetManyOptions<K, V>): Promise<(V | undefined)[]> {
    try {
      if (options === undefined && this.#isPlain && isPlainKeys(keys)) {
        return this._getMany(keys, TEXT) as Promise<(V | undefined)[]>
      }
      return super.getMany(keys, options as GetManyOptions<K, V>)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // Writes

  override put(key: KDefault, value: VDefault): Promise<void>
  override put<K = KDefault, V = VDefault>(
    key: K,
    value: V,
    options: PutOptions<K, V>
  ): Promise<void>
  override put<K, V>(key: K, value: V, options?: PutOptions<K, V>): Promise<void> {
    const isPlain = options === undefined && typeof key === 'string' && typeof value === 'string'
    if (!isPlain || !this.#isPlain || this.#isObserved) {
      return super.put(key, value, options as PutOptions<K, V>)
    }
    try {
      return this._put(key, value, TEXT)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  override batch(operations: BatchOperation<this, KDefault, VDefault>[]): Promise<void>
  override batch<K = KDefault, V = VDefault>(
    operations: BatchOperation<this, K, V>[],
    options: BatchOptions<K, V>
  ): Promise<void>
  override batch(): ChainedBatch<this, KDefault, VDefault>
  override batch(...given: [operations?: unknown, options?: unknown]): unknown {
    const [operations, options] = given
    // As it was given: abstract-level looks at how many arguments there are.
    const isOrdinary = given.length === 0 || options !== undefined || !this.#isPlain
    if (isOrdinary || this.#isObserved) return super.batch(...(given as []))
    try {
      return isPlainBatch(operations)
        ? this._batch(operations, TEXT)
        : super.batch(...(given as []))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  // Questions to the daemon

  /** The bytes on disk of the entries from `start` up to `end`, without it, as LevelDB guesses them. */
  approximateSize(start: KDefault, end: KDefault): Promise<number>
  approximateSize<K = KDefault>(start: K, end: K, options: StartEndOptions<K>): Promise<number>
  async approximateSize<K>(start: K, end: K, options?: StartEndOptions<K>): Promise<number> {
    const [from, to] = this.#encodeBounds(start, end, options)
    return this.#ask((requests) => approximateSize(requests, from, to))
  }

  /** Compacts the entries from `start` up to `end`; resolves when LevelDB is done. */
  compactRange(start: KDefault, end: KDefault): Promise<void>
  compactRange<K = KDefault>(start: K, end: K, options: StartEndOptions<K>): Promise<void>
  async compactRange<K>(start: K, end: K, options?: StartEndOptions<K>): Promise<void> {
    const [from, to] = this.#encodeBounds(start, end, options)
    return this.#ask((requests) => compactRange(requests, from, to))
  }

  /** A property of LevelDB's, for example `leveldb.stats`; empty when it has none of that name. */
  async getProperty(property: string): Promise<string> {
    if (typeof property !== 'string') {
      throw new TypeError("The first argument 'property' must be a string")
    }
    return this.#ask((requests) => getProperty(requests, property))
  }

  /** What the daemon says of itself. */
  async info(): Promise<DaemonInfo> {
    return this.#ask(getInfo)
  }

  #encodeBounds<K>(start: K, end: K, options: StartEndOptions<K> | undefined): [Bytes, Bytes] {
    if (start === undefined || end === undefined) {
      throw new TypeError("The arguments 'start' and 'end' are required")
    }
    const { keyEncoding } = options ?? {}
    const encoding: unknown =
      keyEncoding === undefined ? this.keyEncoding() : this.keyEncoding(keyEncoding as never)
    const encoder = encoding as Encoder<K>
    return [encoder.encode(start), encoder.encode(end)]
  }

  /** Asks the daemon once the database is open. */
  #ask<T>(question: (requests: Requests) => Promise<T>): Promise<T> {
    const { database, connected } = this.root
    return whenOpen(database, () => question(connected()))
  }

  // Beyond abstract-level

  atomic(): Atomic<this, KDefault, VDefault> {
    return new Atomic<this, KDefault, VDefault>(this, this.root)
  }

  update(key: KDefault, fn: UpdateFunction<VDefault>): Promise<VDefault | undefined>
  update<K = KDefault, V = VDefault>(
    key: K,
    fn: UpdateFunction<V>,
    options: UpdateOptions<K, V>
  ): Promise<V | undefined>
  update<K, V>(
    key: K,
    fn: UpdateFunction<V>,
    options: UpdateOptions<K, V> = {}
  ): Promise<V | undefined> {
    return update(this.root, this.root.database, key, fn, options)
  }

  watch<K = KDefault, V = VDefault>(
    range: WatchRange<K> = {},
    options: WatchOptions<K, V> = {}
  ): Watch<K, V> {
    return new Watch<K, V>(this.root, this.root.database, range, options)
  }
}

/** The methods are abstract-level's; declared here is only that they take LevelDB's options as well. */
export interface PartyLevel<KDefault, VDefault> extends PartyOperations<KDefault, VDefault> {
  has(key: KDefault): Promise<boolean>
  has<K = KDefault>(key: K, options: HasOptions<K>): Promise<boolean>
  hasMany(keys: KDefault[]): Promise<boolean[]>
  hasMany<K = KDefault>(keys: K[], options: HasManyOptions<K>): Promise<boolean[]>
  del(key: KDefault): Promise<void>
  del<K = KDefault>(key: K, options: DelOptions<K>): Promise<void>
  iterator(): Iterator<this, KDefault, VDefault>
  iterator<K = KDefault, V = VDefault>(options: IteratorOptions<K, V>): Iterator<this, K, V>
  keys(): KeyIterator<this, KDefault>
  keys<K = KDefault>(options: KeyIteratorOptions<K>): KeyIterator<this, K>
  values(): ValueIterator<this, KDefault, VDefault>
  values<K = KDefault, V = VDefault>(options: ValueIteratorOptions<K, V>): ValueIterator<this, K, V>
  sublevel(name: string | string[]): Sublevel<this, string, string>
  sublevel<K = string, V = string>(
    name: string | string[],
    options: AbstractSublevelOptions<K, V>
  ): Sublevel<this, K, V>
}
