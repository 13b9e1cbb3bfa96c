// The API of level-party, and of the levelup that it returned, over a PartyLevel: callbacks beside
// promises, an error for a key that is not there, and streams.

import { EventEmitter } from 'node:events'
import type { Readable } from 'node:stream'
import { type Callback, pickOptions, type Rest, settle } from './level-party/callback.js'
import {
  ChainedBatch,
  type Operation,
  type WriteBatch,
  type WriteOptions
} from './level-party/chained-batch.js'
import {
  type EncodingOptions,
  entryEncoding,
  toEncoding,
  translateOptions,
  translateRange
} from './level-party/encoding.js'
import { notFoundError, openError, throwAs } from './level-party/errors.js'
import { LevelPartyIterator, ReadStream, type StreamOptions } from './level-party/iterator.js'
import type { DatabaseOptions, OpenOptions } from './level-types.js'
import { PartyLevel } from './party-level.js'

/** Options of {@link level}: level-party's, and those of a `PartyLevel`. */
export interface LevelPartyOptions
  extends Omit<DatabaseOptions<unknown, unknown>, 'keyEncoding' | 'valueEncoding'>,
    EncodingOptions {}

/** Options of a read. */
export interface ReadOptions extends EncodingOptions {
  fillCache?: boolean | undefined
}

/** Which entries, and in which order. */
export interface RangeOptions<K> extends EncodingOptions {
  gt?: K | undefined
  gte?: K | undefined
  lt?: K | undefined
  lte?: K | undefined
  reverse?: boolean | undefined
  /** Default: -1, which is no limit. */
  limit?: number | undefined
}

/** Options of iterators and streams. */
export interface EntryOptions<K> extends RangeOptions<K>, ReadOptions, StreamOptions {}

/** What a PartyLevel emits and its users listen for here. */
const EVENTS = ['opening', 'open', 'closing', 'closed', 'warning'] as const

/**
 * A database as level-party returned it. Every operation takes a callback as its last argument, and
 * returns a promise only when there is none. Emits `opening`, `open`, `ready`, `closing`, `closed`,
 * `put`, `del`, `batch`, `clear` and `warning`, and `error` if it cannot be opened.
 */
export class LevelParty<K = string, V = string> extends EventEmitter {
  readonly type = 'levelup'
  readonly options: LevelPartyOptions
  /** The database behind this one, with the same encodings: for what level-party did not have. */
  readonly partyLevel: PartyLevel<K, V>

  /** @internal */
  constructor(location: string, options: LevelPartyOptions, onOpen?: Callback<LevelParty<K, V>>) {
    super()
    this.setMaxListeners(0)
    this.options = options
    const { keyEncoding, valueEncoding, encoding, ...others } = options
    this.partyLevel = new PartyLevel<K, V>(location, {
      ...others,
      keyEncoding: toEncoding(keyEncoding) as never,
      valueEncoding: toEncoding(valueEncoding || encoding) as never
    })
    for (const event of EVENTS) {
      this.partyLevel.on(event as 'open', (...args) => void this.emit(event, ...args))
    }
    this.partyLevel.on('open', () => void this.emit('ready'))
    this.open(onOpen ?? ((error) => void (error && this.emit('error', error))))
  }

  get status(): PartyLevel['status'] {
    return this.partyLevel.status
  }

  get supports(): PartyLevel['supports'] & { readonly streams: true; readonly promises: true } {
    return { ...this.partyLevel.supports, streams: true, promises: true }
  }

  isOpen(): boolean {
    return this.status === 'open'
  }

  isClosed(): boolean {
    return this.status === 'closing' || this.status === 'closed'
  }

  /** Whether operations are accepted; those that come before it is open wait for that. */
  isOperational(): boolean {
    return this.status === 'open' || this.status === 'opening'
  }

  open(...rest: Rest<OpenOptions, this>): Promise<this> {
    const opened = this.partyLevel.open(pickOptions(rest) ?? {})
    return settle(
      opened.then(
        () => this,
        (error: Error) => Promise.reject(openError(error))
      ),
      rest
    )
  }

  close(callback?: Callback): Promise<void> {
    return settle(this.partyLevel.close(), [callback])
  }

  /** The value of a key. Fails with a NotFoundError when there is none. */
  get<T = V>(key: K, ...rest: Rest<ReadOptions, T>): Promise<T> {
    const options = translateOptions(pickOptions(rest))
    const found = this.partyLevel.get<K, T>(key, options).then((value) => {
      if (value === undefined) throw notFoundError(key)
      return value
    }, throwAs('ReadError'))
    return settle(found, rest)
  }

  /** The values of some keys; undefined for those that are not there. */
  getMany<T = V>(
    keys: K[],
    ...rest: Rest<ReadOptions, (T | undefined)[]>
  ): Promise<(T | undefined)[]> {
    const options = translateOptions(pickOptions(rest))
    return settle(this.partyLevel.getMany<K, T>(keys, options).catch(throwAs('ReadError')), rest)
  }

  put(key: K, value: V, ...rest: Rest<WriteOptions>): Promise<void> {
    const written = this.partyLevel.put(key, value, translateOptions(pickOptions(rest)))
    return this.#settleWrite(written, rest, 'put', key, value)
  }

  del(key: K, ...rest: Rest<WriteOptions>): Promise<void> {
    const written = this.partyLevel.del(key, translateOptions(pickOptions(rest)))
    return this.#settleWrite(written, rest, 'del', key)
  }

  batch(): ChainedBatch<K, V>
  batch(operations: Operation<K, V>[], ...rest: Rest<WriteOptions>): Promise<void>
  batch(
    operations?: Operation<K, V>[],
    ...rest: Rest<WriteOptions>
  ): ChainedBatch<K, V> | Promise<void> {
    if (operations === undefined) return new ChainedBatch(this.options, this.#writeBatch)
    // What is no array is for the database to refuse.
    const translated = Array.isArray(operations) ? operations.map(translateOptions) : operations
    return this.#writeBatch(translated, operations, rest)
  }

  clear(...rest: Rest<RangeOptions<K>>): Promise<void> {
    const options = pickOptions(rest) ?? {}
    return this.#settleWrite(
      this.partyLevel.clear(translateOptions(options)),
      rest,
      'clear',
      options
    )
  }

  iterator<TKey = K, TValue = V>(options?: EntryOptions<K>): LevelPartyIterator<TKey, TValue> {
    return new LevelPartyIterator(this.partyLevel.iterator<TKey, TValue>(translateOptions(options)))
  }

  /** A stream of `{ key, value }`, or of either where `keys` or `values` is false. */
  createReadStream(options: EntryOptions<K> = {}): Readable {
    const encoding = entryEncoding(options, this.options)
    const entries = this.partyLevel.iterator<Buffer, Buffer>(translateRange(options, encoding))
    return new ReadStream(entries, encoding, options)
  }

  createKeyStream(options?: EntryOptions<K>): Readable {
    return this.createReadStream({ ...options, keys: true, values: false })
  }

  createValueStream(options?: EntryOptions<K>): Readable {
    return this.createReadStream({ ...options, keys: false, values: true })
  }

  /** Another name of {@link createReadStream}. */
  readStream(options?: EntryOptions<K>): Readable {
    return this.createReadStream(options)
  }

  /** Another name of {@link createKeyStream}. */
  keyStream(options?: EntryOptions<K>): Readable {
    return this.createKeyStream(options)
  }

  /** Another name of {@link createValueStream}. */
  valueStream(options?: EntryOptions<K>): Readable {
    return this.createValueStream(options)
  }

  override toString(): string {
    return 'LevelUP'
  }

  /** @param operations The same as the user gave them, for the event. */
  readonly #writeBatch: WriteBatch<K, V> = (translated, operations, rest) => {
    const options = translateOptions(pickOptions(rest))
    const written = this.partyLevel.batch(translated as never, options)
    return this.#settleWrite(written, rest, 'batch', operations)
  }

  #settleWrite(
    written: Promise<void>,
    rest: readonly unknown[],
    event: string,
    ...args: unknown[]
  ): Promise<void> {
    const told = written.then(() => void this.emit(event, ...args), throwAs('WriteError'))
    return settle(told, rest)
  }
}

/**
 * level-party's function: a database at `location` that any number of processes can open.
 *
 * @param onOpen Called when the database is open or could not be opened. Without it that is an
 *   `error` event.
 */
function level<K = string, V = string>(
  location: string,
  options?: LevelPartyOptions | Callback<LevelParty<K, V>> | null,
  onOpen?: Callback<LevelParty<K, V>>
): LevelParty<K, V> {
  if (typeof options === 'function') return new LevelParty(location, {}, options)
  return new LevelParty(location, options ?? {}, onOpen)
}

export { level, level as default, level as 'module.exports' }
