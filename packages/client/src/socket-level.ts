// What abstract-level asks of an implementation: it calls these methods with what it has checked and
// encoded, and each operation becomes a frame on the connection.

import { resolve } from 'node:path'
import { type Bytes, KIND, type PartyError } from '@partyd/shared'
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
import { Connection } from './connection.js'
import { PartyIterator, type IteratorOptions as RawIteratorOptions } from './iterator.js'
import type { DatabaseOptions, OpenOptions } from './level-types.js'
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
import { assertLocation, type ResolvedOptions, resolveOptions } from './options.js'
import { PartySublevel } from './party-sublevel.js'
import type { Decoder } from './request.js'
import type { Requests } from './requests.js'
import type { PartyDatabase, RootDatabase } from './root-database.js'
import { PartySnapshot, type SnapshotLease, useLease } from './snapshot.js'
import { UpdateTurns } from './update-turns.js'

/** Said although the manifest's type does not know it: a socket is asynchronous. */
const NOT_SUPPORTED = { getSync: false }

/** A database on a socket, with nothing that abstract-level does not know: see `PartyLevel`. */
export class SocketLevel<KDefault, VDefault> extends AbstractLevel<Bytes, KDefault, VDefault> {
  readonly #location: string
  /** What the location means from now on, wherever this process goes. */
  readonly #directory: string
  readonly #options: DatabaseOptions<KDefault, VDefault>
  readonly #root: RootDatabase
  /** Whether writes that do not say wait for the disk; undefined to leave it to the daemon. */
  #sync: true | undefined
  #connection: Connection | undefined
  readonly #openFailure = new OpenFailure()

  /** @throws TypeError when the location or an option is not of its type. */
  constructor(
    location: string,
    options: DatabaseOptions<KDefault, VDefault>,
    additionalMethods: Readonly<Record<string, true>>
  ) {
    assertLocation(location)
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
        additionalMethods,
        signals: { iterators: true }
      },
      options
    )
    this.#location = location
    this.#directory = resolve(location)
    this.#options = options
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
   * What operations that abstract-level does not know need.
   * @internal
   */
  protected get root(): RootDatabase {
    return this.#root
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
    this.#adopt(resolved)
    const connection = new Connection(this.#directory, resolved, (warning) => this.#warn(warning))
    try {
      await connection.open()
    } catch (error) {
      this.#openFailure.cause = error as Error
      throw error
    }
    this.#connection = connection
  }

  /** The options of `open()` come before the constructor's. */
  #adopt({ retry, retryTimeoutMs, database }: ResolvedOptions): void {
    this.#root.retry = retry
    this.#root.retryTimeoutMs = retryTimeoutMs
    this.#sync = database.sync || undefined
    this.supports.implicitSnapshots = !retry
  }

  /** What a listener throws is its own business, and must not end what the connection is doing. */
  #warn(warning: PartyError): void {
    try {
      this.emit('warning', warning)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
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
    const lease = useLease(options.snapshot, requests)
    writeRead(requests, KIND.get, key, options, lease)
    return read<Value | undefined>(
      requests,
      options.valueEncoding === 'utf8' ? decodeText : decodeBuffer,
      lease
    )
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
    return new PartyIterator(database, this.#connected(), this.#root.retry, options)
  }

  /** @internal */
  _snapshot(options: { owner: AbstractLevel<unknown, unknown, unknown> }): PartySnapshot {
    return new PartySnapshot(this.#connected(), options)
  }

  // Writes

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

  #connected(): Requests {
    if (this.#connection === undefined) throw this.#openFailure.createError()
    return this.#connection.requests
  }
}

/** Sends the read just begun. */
function read<T>(
  requests: Requests,
  decode: Decoder<T>,
  lease: SnapshotLease | undefined
): Promise<T> {
  return lease === undefined ? requests.request(decode) : lease.read(decode)
}
