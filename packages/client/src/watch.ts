// The changes that all processes make, as an async iterator. Where they come from, and what becomes
// of them on a failover, is watch-feed.ts's to know.

import { LevelError } from '@partyd/shared'
import type { AbstractResource } from 'abstract-level'
import { abortError } from './abortable.js'
import type { RawChange } from './change-buffer.js'
import {
  decode,
  type Encoding,
  encodeRange,
  keyEncodingOf,
  prefixBytesOf,
  valueEncodingOf
} from './encoded.js'
import type { Change, WatchOptions, WatchRange } from './operation-types.js'
import type { Requests } from './requests.js'
import { type PartyDatabase, type RootDatabase, whenOpen } from './root-database.js'
import { WatchFeed } from './watch-feed.js'

type Result<K, V> = IteratorResult<Change<K, V>, undefined>

/**
 * Yields what any process puts and deletes, in the order committed: see `db.watch()`. It keeps the
 * process alive only while a `next()` is awaited.
 *
 * @template K Type of the keys.
 * @template V Type of the values.
 */
export class Watch<K = string, V = string>
  implements AsyncIterableIterator<Change<K, V>>, AbstractResource
{
  /**
   * Resolves when it has begun: from then on no change is missed. Rejects with the reason if it
   * cannot begin. Need not be awaited: see `db.watch()`.
   */
  readonly ready: Promise<void>
  readonly #root: RootDatabase
  readonly #database: PartyDatabase
  readonly #signal: AbortSignal | undefined
  readonly #keyEncoding: Encoding
  readonly #valueEncoding: Encoding
  readonly #feed: WatchFeed
  #status: 'open' | 'closed' = 'open'
  /** Why it has ended, until a `next()` has told it. */
  #failure: Error | undefined
  /** Whether a `next()` is under way; what it holds, and what wakes it when it waits. */
  #isBusy = false
  #held: Requests | undefined
  #wake: () => void = nothing

  /** @internal */
  constructor(
    root: RootDatabase,
    database: PartyDatabase,
    range: WatchRange<K>,
    options: WatchOptions<K, V>
  ) {
    this.#root = root
    this.#database = database
    this.#signal = options.signal
    this.#keyEncoding = keyEncodingOf(database, options.keyEncoding)
    this.#valueEncoding = valueEncodingOf(database, options.valueEncoding)
    this.#feed = new WatchFeed(encodeRange(database, range, this.#keyEncoding), {
      onFed: () => this.#wake(),
      onLost: (error) => this.#onLost(error)
    })
    // A closed database closes it. A sublevel that has never been open is not closed with the others.
    database.attachResource(this)
    root.database.attachResource(this)
    this.ready = this.#begin()
    // Whoever does not await it hears of it by `next()`.
    this.ready.catch((error: Error) => this.#fail(error))
  }

  /**
   * The next change; `done` once the watch or its database is closed. One at a time.
   *
   * @throws LevelError or PartyError, which is its end: `LEVEL_ABORTED` by the signal,
   * `LEVEL_DECODE_ERROR`, `LEVEL_CONNECTION_LOST` with `retry: false`, or why no daemon can be had.
   */
  async next(): Promise<Result<K, V>> {
    if (this.#isBusy) throw busy()
    this.#isBusy = true
    try {
      const value = await this.#next()
      return value === undefined ? { done: true, value } : { done: false, value }
    } catch (error) {
      this.#end()
      throw error
    } finally {
      this.#isBusy = false
      this.#held?.release()
      this.#held = undefined
    }
  }

  /** Ends it, as `break` does. */
  async return(): Promise<Result<K, V>> {
    await this.close()
    return { done: true, value: undefined }
  }

  /** Ends it. A `next()` that waits is done. */
  async close(): Promise<void> {
    // A database that closes it and is closed itself has failed to open: `ready` tells why.
    if (this.#root.database.status === 'closed') await this.ready.catch(nothing)
    this.#end()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // Taking changes

  async #next(): Promise<Change<K, V> | undefined> {
    while (this.#status === 'open') {
      const change = this.#feed.take()
      if (change !== undefined) return change === 'reset' ? { type: 'reset' } : this.#decode(change)
      if (this.#feed.isLost) this.#ask().catch((error: Error) => this.#fail(error))
      await this.#something()
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    return undefined
  }

  /** Waits for whatever happens first. Meanwhile the process stays alive, and a daemon is wanted. */
  async #something(): Promise<void> {
    if (this.#held === undefined) {
      this.#held = this.#feed.requests
      this.#held?.hold()
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  #decode({ key, value, seq, last }: RawChange): Change<K, V> {
    const ownKey = key.subarray(prefixBytesOf(this.#database))
    const decodedKey = decode(ownKey, this.#keyEncoding, 'key') as K
    if (value === undefined) return { type: 'del', key: decodedKey, seq, last }
    const decodedValue = decode(value, this.#valueEncoding, 'value') as V
    return { type: 'put', key: decodedKey, value: decodedValue, seq, last }
  }

  // Beginning and ending

  async #begin(): Promise<void> {
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (this.#signal?.aborted) throw abortError()
    const { database } = this.#root
    const hasEnded = this.#database.status === 'closing' || this.#database.status === 'closed'
    // A sublevel opens a little later than its database, and the watch need not wait for it.
    await whenOpen(hasEnded ? this.#database : database, () => this.#ask())
    if (this.#status !== 'open') throw this.#failure ?? endedEarly()
  }

  async #ask(): Promise<void> {
    if (this.#status !== 'open') return
    const asked = this.#feed.ask(this.#root.connected())
    // A `next()` that waited for the database to open now has something to hold.
    this.#wake()
    await asked
  }

  #onLost(error: Error): void {
    const isOver = !this.#root.retry || (error as LevelError).code !== 'LEVEL_CONNECTION_LOST'
    if (isOver) this.#fail(error)
    else this.#wake()
  }

  readonly #onAbort = (): void => this.#fail(abortError())

  #fail(error: Error): void {
    if (this.#status !== 'open') return
    this.#failure = error
    this.#end()
  }

  #end(): void {
    if (this.#status !== 'open') return
    this.#status = 'closed'
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#feed.close()
    this.#database.detachResource(this)
    this.#root.database.detachResource(this)
    this.#wake()
  }
}

function nothing(): void {}

function busy(): LevelError {
  const message = 'Watch is busy: cannot call next() until the previous one has completed'
  return new LevelError('LEVEL_ITERATOR_BUSY', message)
}

function endedEarly(): LevelError {
  return new LevelError(
    'LEVEL_ITERATOR_NOT_OPEN',
    'Watch is not open: it was closed before it had begun'
  )
}
