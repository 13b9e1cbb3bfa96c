// The database as users know it: abstract-level's API, each operation one frame on the connection.

import { type Bytes, KIND, stopDaemon } from '@partyd/shared'
import {
  type AbstractBatchOperation,
  type AbstractClearOptions,
  AbstractLevel,
  type AbstractOpenOptions,
  type AbstractSublevelOptions
} from 'abstract-level'
import {
  decodeBuffer,
  decodeBuffers,
  decodeDone,
  decodePresence,
  decodeText,
  decodeTexts,
  type Value
} from './answers.js'
import { Atomic } from './atomic.js'
import { Connection } from './connection.js'
import { PartyIterator, type IteratorOptions as RawIteratorOptions } from './iterator.js'
import { type MaintenanceOptions, maintain } from './maintenance.js'
import { OpenFailure } from './open-failure.js'
import {
  type EncodedOperation,
  type ReadOptions,
  type WriteOptions,
  writeBatch,
  writeClear,
  writeDel,
  writeFlags,
  writePut,
  writeRead,
  writeReads
} from './operation-frames.js'
import { resolveOptions } from './options.js'
import { PACKAGE_VERSION } from './package-version.js'
import { PartySublevel } from './party-sublevel.js'
import { isPlainBatch, isPlainKeys, isUtf8, TEXT } from './plain-text.js'
import { approximateSize, compactRange, getInfo, getProperty } from './properties.js'
import type { Decoder } from './request.js'
import type { Requests } from './requests.js'
import { type PartyDatabase, type RootDatabase, whenOpen } from './root-database.js'
import { PartySnapshot, type SnapshotLease, useLease } from './snapshot.js'
import type {
  BatchOperation,
  BatchOptions,
  ChainedBatch,
  DaemonInfo,
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
  OpenOptions,
  PartyOperations,
  PutOptions,
  StartEndOptions,
  Sublevel,
  UpdateFunction,
  UpdateOptions,
  ValueIterator,
  ValueIteratorOptions,
  WatchOptions,
  WatchRange
} from './types.js'
import { update } from './update.js'
import { UpdateTurns } from './update-turns.js'
import { Watch } from './watch.js'

/** Said although the manifest's type does not know it: a socket is asynchronous. */
const NOT_SUPPORTED = { getSync: false }

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
export class PartyLevel<KDefault = string, VDefault = string> extends AbstractLevel<
  Bytes,
  KDefault,
  VDefault
> {
  readonly #location: string
  readonly #options: DatabaseOptions<KDefault, VDefault>
  readonly #retry: boolean
  readonly #root: RootDatabase
  /** Whether keys and values are text unless an operation says otherwise. */
  readonly #isText: boolean
  /** Whether writes that do not say wait for the disk; undefined to leave it to the daemon. */
  #sync: true | undefined
  #connection: Connection | undefined
  readonly #openFailure = new OpenFailure()

  /**
   * @param location Directory of the database, absolute or relative. Created if it does not exist.
   * @throws TypeError when the location or an option is not of its type.
   */
  constructor(location: string, options: DatabaseOptions<KDefault, VDefault> = {}) {
    if (typeof location !== 'string' || location === '') {
      throw new TypeError("The first argument 'location' must be a non-empty string")
    }
    const { retry, retryTimeoutMs } = resolveOptions(options)
    super(
      {
        encodings: { buffer: true, utf8: true, view: true },
        has: true,
        createIfMissing: true,
        errorIfExists: true,
        seek: true,
        permanence: true,
        implicitSnapshots: !retry,
        explicitSnapshots: true,
        ...NOT_SUPPORTED,
        additionalMethods: {
          approximateSize: true,
          compactRange: true,
          getProperty: true,
          info: true
        },
        signals: { iterators: true }
      },
      options
    )
    this.#location = location
    this.#options = options
    this.#retry = retry
    this.#isText = isUtf8(options.keyEncoding) && isUtf8(options.valueEncoding)
    this.#root = {
      database: this as unknown as PartyDatabase,
      retry,
      retryTimeoutMs,
      updateTurns: new UpdateTurns(),
      writeFlags: (options) => writeFlags(options, this.#sync),
      connected: () => this.#connected()
    }
  }

  /** The location as given to the constructor. */
  get location(): string {
    return this.#location
  }

  /**
   * Stops the daemon of a location, if one runs, and resolves when LevelDB's lock is free. Clients
   * that are connected finish what they wait for; their next operation starts a daemon again.
   *
   * @throws PartyError when the daemon cannot be reached, or does not end within a minute.
   */
  static async stop(location: string): Promise<void> {
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

  // Opening and closing

  /** @internal */
  get openFailure(): OpenFailure {
    return this.#openFailure
  }

  override open(options?: OpenOptions): Promise<void> {
    return this.#openFailure.explain(super.open(options as AbstractOpenOptions), options?.passive)
  }

  /** @internal */
  async _open(options: OpenOptions): Promise<void> {
    this.#openFailure.cause = undefined
    const resolved = resolveOptions({ ...this.#options, ...options })
    this.#sync = resolved.database.sync || undefined
    const connection = new Connection(this.#location, resolved, (warning) =>
      this.emit('warning', warning)
    )
    try {
      await connection.open()
    } catch (error) {
      this.#openFailure.cause = error as Error
      throw error
    }
    this.#connection = connection
  }

  /** @internal */
  async _close(): Promise<void> {
    await this.#connection?.close()
    this.#connection = undefined
  }

  override deferAsync<T>(fn: () => Promise<T>, options?: { signal?: AbortSignal }): Promise<T> {
    return super.deferAsync(this.#openFailure.guard(this, fn), options)
  }

  /** @internal */
  _sublevel(
    name: string | string[],
    options: AbstractSublevelOptions<unknown, unknown>
  ): PartySublevel {
    return new PartySublevel(this.#root.database, name, options, this.#root)
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

  /** @internal */
  _get(key: Bytes, options: ReadOptions): Promise<Value | undefined> {
    const requests = this.#connected()
    const lease = useLease(options.snapshot, requests)
    writeRead(requests, KIND.get, key, options, lease)
    return read<Value | undefined>(
      requests,
      options.valueEncoding === 'utf8' ? decodeText : decodeBuffer,
      lease
    )
  }

  override getMany(keys: KDefault[]): Promise<(VDefault | undefined)[]>
  override getMany<K = KDefault, V = VDefault>(
    keys: K[],
    options: GetManyOptions<K, V>
  ): Promise<(V | undefined)[]>
  override getMany<K, V>(keys: K[], options?: GetManyOptions<K, V>): Promise<(V | undefined)[]> {
    if (options !== undefined || !isPlainKeys(keys) || !this.#isPlain) {
      return super.getMany(keys, options as GetManyOptions<K, V>)
    }
    try {
      return this._getMany(keys, TEXT) as Promise<(V | undefined)[]>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @internal */
  _getMany(keys: readonly Bytes[], options: ReadOptions): Promise<(Value | undefined)[]> {
    const requests = this.#connected()
    const lease = useLease(options.snapshot, requests)
    writeReads(requests, KIND.getMany, keys, options, lease)
    return read<(Value | undefined)[]>(
      requests,
      options.valueEncoding === 'utf8' ? decodeTexts : decodeBuffers,
      lease
    )
  }

  /** @internal */
  async _has(key: Bytes, options: ReadOptions): Promise<boolean> {
    const requests = this.#connected()
    const lease = useLease(options.snapshot, requests)
    writeRead(requests, KIND.has, key, options, lease)
    const [isPresent] = await read(requests, decodePresence, lease)
    return isPresent === true
  }

  /** @internal */
  _hasMany(keys: readonly Bytes[], options: ReadOptions): Promise<boolean[]> {
    const requests = this.#connected()
    const lease = useLease(options.snapshot, requests)
    writeReads(requests, KIND.hasMany, keys, options, lease)
    return read(requests, decodePresence, lease)
  }

  /** @internal */
  _iterator(options: RawIteratorOptions): PartyIterator {
    const database = this as unknown as AbstractLevel<Bytes, unknown, unknown>
    return new PartyIterator(database, this.#connected(), this.#retry, options)
  }

  /** @internal */
  _snapshot(options: { owner: AbstractLevel<unknown, unknown, unknown> }): PartySnapshot {
    return new PartySnapshot(this.#connected(), options)
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

  /** @internal */
  _put(key: Bytes, value: Bytes, options: WriteOptions): Promise<void> {
    const requests = this.#connected()
    writePut(requests, writeFlags(options, this.#sync), key, value)
    return requests.request(decodeDone)
  }

  /** @internal */
  _del(key: Bytes, options: WriteOptions): Promise<void> {
    const requests = this.#connected()
    writeDel(requests, writeFlags(options, this.#sync), key)
    return requests.request(decodeDone)
  }

  override batch(operations: BatchOperation<this, KDefault, VDefault>[]): Promise<void>
  override batch<K = KDefault, V = VDefault>(
    operations: BatchOperation<this, K, V>[],
    options: BatchOptions<K, V>
  ): Promise<void>
  override batch(): ChainedBatch<this, KDefault, VDefault>
  override batch(...given: [operations?: unknown, options?: unknown]): unknown {
    const [operations, options] = given
    const isPlain = options === undefined && isPlainBatch(operations)
    // As it was given: abstract-level looks at how many arguments there are.
    if (!isPlain || !this.#isPlain || this.#isObserved) return super.batch(...(given as []))
    try {
      return this._batch(operations, TEXT)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @internal */
  _batch(
    operations: readonly (AbstractBatchOperation<this, unknown, unknown> | EncodedOperation)[],
    options: WriteOptions
  ): Promise<void> {
    const requests = this.#connected()
    const encoded = operations as readonly EncodedOperation[]
    writeBatch(requests, writeFlags(options, this.#sync), encoded)
    return requests.request(decodeDone)
  }

  /** @internal */
  _clear(options: AbstractClearOptions<Bytes>): Promise<void> {
    const requests = this.#connected()
    const lease = useLease(options.snapshot, requests)
    writeClear(requests, options, lease)
    // A write, and so not tied to the link: a daemon that goes on with it says how far it had come.
    const cleared = requests.request(decodeDone)
    return lease === undefined ? cleared : lease.settle(cleared)
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
    return whenOpen(this.#root.database, () => question(this.#connected()))
  }

  // Beyond abstract-level

  atomic(): Atomic<this, KDefault, VDefault> {
    return new Atomic<this, KDefault, VDefault>(this, this.#root)
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
    return update(this.#root, this.#root.database, key, fn, options)
  }

  watch<K = KDefault, V = VDefault>(
    range: WatchRange<K> = {},
    options: WatchOptions<K, V> = {}
  ): Watch<K, V> {
    return new Watch<K, V>(this.#root, this.#root.database, range, options)
  }

  #connected(): Requests {
    if (this.#connection === undefined) throw this.#openFailure.createError()
    return this.#connection.requests
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

/** Sends the read just begun. */
function read<T>(
  requests: Requests,
  decode: Decoder<T>,
  lease: SnapshotLease | undefined
): Promise<T> {
  return lease === undefined ? requests.request(decode) : lease.read(decode)
}
