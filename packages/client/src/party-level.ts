// The database as users know it: abstract-level's API, each operation one frame on the connection.

import {
  type Bytes,
  ITERATOR_FLAGS,
  KIND,
  LIMITS,
  NO_LIMIT,
  PartyError,
  READ_FLAGS,
  stopDaemon,
  WRITE_FLAGS
} from '@partyd/shared'
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
import type { AnyDatabase } from './encoded.js'
import { PartyIterator, type IteratorOptions as RawIteratorOptions } from './iterator.js'
import { OpenFailure } from './open-failure.js'
import { resolveOptions } from './options.js'
import { PACKAGE_VERSION } from './package-version.js'
import { PartySublevel } from './party-sublevel.js'
import { pickRange, type Range, writeRange } from './range.js'
import type { Requests } from './requests.js'
import type { RootDatabase } from './root-database.js'
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
  OpenOptions,
  PartyOperations,
  PutOptions,
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

/** Options of a read as abstract-level hands them to an implementation. */
interface ReadOptions {
  readonly valueEncoding?: string
  readonly fillCache?: boolean
}

interface WriteOptions {
  readonly sync?: boolean
}

/** An operation of a batch with its key and value encoded. */
type EncodedOperation =
  | { readonly type: 'put'; readonly key: Bytes; readonly value: Bytes }
  | { readonly type: 'del'; readonly key: Bytes }

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
        explicitSnapshots: false,
        ...NOT_SUPPORTED,
        signals: { iterators: true }
      },
      options
    )
    this.#location = location
    this.#options = options
    this.#retry = retry
    this.#root = {
      database: this as unknown as AnyDatabase,
      retry,
      retryTimeoutMs,
      updateTurns: new UpdateTurns(),
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

  // Opening and closing

  override open(options?: OpenOptions): Promise<void> {
    return this.#openFailure.explain(super.open(options as AbstractOpenOptions), options?.passive)
  }

  /** @internal */
  async _open(options: OpenOptions): Promise<void> {
    this.#openFailure.cause = undefined
    const connection = new Connection(
      this.#location,
      resolveOptions({ ...this.#options, ...options }),
      (warning) => this.emit('warning', warning)
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

  // Reads

  /** @internal */
  _get(key: Bytes, options: ReadOptions): Promise<Value | undefined> {
    const requests = this.#connected()
    const frame = requests.begin(KIND.get)
    frame.uint8(readFlags(options))
    frame.tail(key)
    return requests.request<Value | undefined>(
      options.valueEncoding === 'utf8' ? decodeText : decodeBuffer
    )
  }

  /** @internal */
  _getMany(keys: readonly Bytes[], options: ReadOptions): Promise<(Value | undefined)[]> {
    const requests = this.#connected()
    writeKeys(requests, KIND.getMany, keys, options)
    return requests.request<(Value | undefined)[]>(
      options.valueEncoding === 'utf8' ? decodeTexts : decodeBuffers
    )
  }

  /** @internal */
  async _has(key: Bytes, options: ReadOptions): Promise<boolean> {
    const requests = this.#connected()
    const frame = requests.begin(KIND.has)
    frame.uint8(readFlags(options))
    frame.tail(key)
    const [isPresent] = await requests.request(decodePresence)
    return isPresent === true
  }

  /** @internal */
  _hasMany(keys: readonly Bytes[], options: ReadOptions): Promise<boolean[]> {
    const requests = this.#connected()
    writeKeys(requests, KIND.hasMany, keys, options)
    return requests.request(decodePresence)
  }

  /** @internal */
  _iterator(options: RawIteratorOptions): PartyIterator {
    const database = this as unknown as AbstractLevel<Bytes, unknown, unknown>
    return new PartyIterator(database, this.#connected(), this.#retry, options)
  }

  // Writes

  /** @internal */
  _put(key: Bytes, value: Bytes, options: WriteOptions): Promise<void> {
    const requests = this.#connected()
    const frame = requests.begin(KIND.put)
    frame.uint8(writeFlags(options))
    frame.bytes(key)
    frame.tail(value)
    return requests.request(decodeDone)
  }

  /** @internal */
  _del(key: Bytes, options: WriteOptions): Promise<void> {
    const requests = this.#connected()
    const frame = requests.begin(KIND.del)
    frame.uint8(writeFlags(options))
    frame.tail(key)
    return requests.request(decodeDone)
  }

  /** @internal */
  _batch(
    operations: readonly AbstractBatchOperation<this, unknown, unknown>[],
    options: WriteOptions
  ): Promise<void> {
    const requests = this.#connected()
    const frame = requests.begin(KIND.batch)
    frame.uint8(writeFlags(options))
    frame.uint32(operations.length)
    for (const operation of operations as readonly EncodedOperation[]) {
      frame.uint8(operation.type === 'put' ? 1 : 0)
      frame.bytes(operation.key)
      if (operation.type === 'put') frame.bytes(operation.value)
    }
    return requests.request(decodeDone)
  }

  /** @internal */
  _clear(options: AbstractClearOptions<Bytes>): Promise<void> {
    const { reverse, limit = -1 } = options
    const requests = this.#connected()
    const frame = requests.begin(KIND.clear)
    frame.uint8(reverse ? ITERATOR_FLAGS.reverse : 0)
    frame.uint53(limit < 0 ? NO_LIMIT : limit)
    writeRange(frame, pickRange(options as Range))
    return requests.request(decodeDone)
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
  get(key: KDefault): Promise<VDefault | undefined>
  get<K = KDefault, V = VDefault>(key: K, options: GetOptions<K, V>): Promise<V | undefined>
  getMany(keys: KDefault[]): Promise<(VDefault | undefined)[]>
  getMany<K = KDefault, V = VDefault>(
    keys: K[],
    options: GetManyOptions<K, V>
  ): Promise<(V | undefined)[]>
  has(key: KDefault): Promise<boolean>
  has<K = KDefault>(key: K, options: HasOptions<K>): Promise<boolean>
  hasMany(keys: KDefault[]): Promise<boolean[]>
  hasMany<K = KDefault>(keys: K[], options: HasManyOptions<K>): Promise<boolean[]>
  put(key: KDefault, value: VDefault): Promise<void>
  put<K = KDefault, V = VDefault>(key: K, value: V, options: PutOptions<K, V>): Promise<void>
  del(key: KDefault): Promise<void>
  del<K = KDefault>(key: K, options: DelOptions<K>): Promise<void>
  batch(operations: BatchOperation<this, KDefault, VDefault>[]): Promise<void>
  batch<K = KDefault, V = VDefault>(
    operations: BatchOperation<this, K, V>[],
    options: BatchOptions<K, V>
  ): Promise<void>
  batch(): ChainedBatch<this, KDefault, VDefault>
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

function readFlags({ fillCache }: ReadOptions): number {
  return fillCache === false ? READ_FLAGS.noFillCache : 0
}

function writeFlags({ sync }: WriteOptions): number {
  return sync ? WRITE_FLAGS.sync : 0
}

function writeKeys(
  requests: Requests,
  kind: number,
  keys: readonly Bytes[],
  options: ReadOptions
): void {
  if (keys.length > LIMITS.keysMax) {
    throw new PartyError(
      'PARTYD_TOO_LARGE',
      `${keys.length} keys are more than the ${LIMITS.keysMax} allowed at a time. Ask for fewer.`
    )
  }
  const frame = requests.begin(kind)
  frame.uint8(readFlags(options))
  frame.uint32(keys.length)
  for (const key of keys) frame.bytes(key)
}
