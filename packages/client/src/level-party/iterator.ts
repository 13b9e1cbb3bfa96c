// An iterator with callbacks, and the streams over one.

import { Readable } from 'node:stream'
import type { AbstractIterator } from 'abstract-level'
import { settle } from './callback.js'
import type { BufferEncoding, EntryEncoding } from './encoding.js'
import { decodeError, throwEntryError } from './errors.js'

/** Called with an error, with an entry, or with neither at the end. */
export type NextCallback<K, V> = (error: Error | null | undefined, key?: K, value?: V) => void

type Inner<K, V> = AbstractIterator<unknown, K, V>

export class LevelPartyIterator<K, V> {
  readonly #iterator: Inner<K, V>

  /** @internal */
  constructor(iterator: Inner<K, V>) {
    this.#iterator = iterator
  }

  /** The next entry; undefined, or a callback without arguments, at the end. */
  next(): Promise<[K, V] | undefined>
  next(callback: NextCallback<K, V>): this
  next(callback?: NextCallback<K, V>): this | Promise<[K, V] | undefined> {
    const entry = this.#iterator.next().catch(throwEntryError)
    if (callback === undefined) return entry
    entry.then(
      (found) => process.nextTick(callback, null, ...(found ?? [])),
      (error: Error) => process.nextTick(callback, error)
    )
    return this
  }

  /** Goes on at `target`, or behind it if there is no such key. */
  seek(target: K): void {
    this.#iterator.seek(target)
  }

  /** Closes it. */
  end(callback?: (error?: Error | null) => void): Promise<void> {
    return settle(this.#iterator.close(), [callback])
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<[K, V], void, unknown> {
    yield* this.#iterator
  }
}

/** Which parts of the entries a stream gives. */
export interface StreamOptions {
  keys?: boolean | undefined
  values?: boolean | undefined
  /** Entries to read ahead. Default: 16, as in every object stream. */
  highWaterMark?: number | undefined
}

export class ReadStream extends Readable {
  readonly #iterator: Inner<Buffer, Buffer>
  readonly #encoding: EntryEncoding
  readonly #options: StreamOptions
  #status: 'idle' | 'reading' = 'idle'

  /** @param iterator of encoded entries: one that cannot be decoded must not take others with it. */
  constructor(iterator: Inner<Buffer, Buffer>, encoding: EntryEncoding, options: StreamOptions) {
    const { highWaterMark } = options
    super({ objectMode: true, ...(highWaterMark !== undefined && { highWaterMark }) })
    this.#iterator = iterator
    this.#encoding = encoding
    this.#options = options
  }

  override _read(size: number): void {
    // A reader that reads while it is handed an entry asks again before all have been pushed.
    if (this.#status === 'reading') return
    this.#status = 'reading'
    this.#iterator
      .nextv(size)
      .catch(throwEntryError)
      .then(
        (entries) => this.#push(entries),
        (error) => this.destroy(error)
      )
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#iterator.close().then(
      () => callback(error),
      (closeError: Error) => callback(error ?? closeError)
    )
  }

  #push(entries: [Buffer, Buffer][]): void {
    this.#status = 'idle'
    if (this.destroyed) return
    if (entries.length === 0) this.push(null)
    for (const entry of entries) {
      let picked: unknown
      try {
        picked = this.#pick(entry)
      } catch (error) {
        return void this.destroy(error as Error)
      }
      this.push(picked)
    }
  }

  #pick([key, value]: [Buffer, Buffer]): unknown {
    const { keys, values } = this.#options
    if (keys === false) return decode(value, this.#encoding.value)
    if (values === false) return decode(key, this.#encoding.key)
    return { key: decode(key, this.#encoding.key), value: decode(value, this.#encoding.value) }
  }
}

/** @throws LevelPartyError EncodingError */
function decode(data: Buffer, encoding: BufferEncoding): unknown {
  try {
    return encoding.decode(data)
  } catch (cause) {
    throw decodeError(cause)
  }
}
