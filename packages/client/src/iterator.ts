// An iterator over the socket: asks for entries in chunks, one ahead of the reader, and with
// `retry` opens itself again on the next daemon right behind the last entry delivered.

import {
  type Bytes,
  ITERATOR_FLAGS,
  KIND,
  type LevelError,
  LIMITS,
  rangeBehind
} from '@partyd/shared'
import { AbstractIterator, type AbstractIteratorOptions, type AbstractLevel } from 'abstract-level'
import { abortable } from './abortable.js'
import { decodeDone, type Value } from './answers.js'
import { assertKey } from './encoded.js'
import { EntryChunk, type EntryFormat } from './entry-chunk.js'
import { pickRange, type Range, rangeFrom, writeRange } from './range.js'
import type { Decoder, LinkTie } from './request.js'
import type { Requests } from './requests.js'
import { findLease, type SnapshotLease } from './snapshot.js'

/** Iterator options as abstract-level hands them to an implementation. */
export interface IteratorOptions extends AbstractIteratorOptions<unknown, unknown> {
  readonly fillCache?: boolean
  readonly highWaterMarkBytes?: number
}

type Database = AbstractLevel<Bytes, unknown, unknown>
type Entry = [Value | undefined, Value | undefined]

/** What the first demand of a `next()` asks for: often one entry is all that is wanted. */
const FIRST_BYTES = 4 * 1024
/** Whoever has read so many entries will read more. */
const LONG_SCAN_ENTRIES = 256
const COUNT_MAX = 0xffff_ffff

export class PartyIterator extends AbstractIterator<Database, unknown, unknown> {
  readonly #requests: Requests
  /** Whether it can be opened again where it was: it has no snapshot, or one that is not its own. */
  readonly #isReopenable: boolean
  readonly #snapshot: SnapshotLease | undefined
  readonly #signal: AbortSignal | undefined
  readonly #range: Range
  readonly #flags: number
  readonly #format: EntryFormat
  readonly #highWaterMarkBytes: number
  /** Entries of one answer. */
  readonly #countMax: number

  /** open: there may be more on the daemon · ended: there is no more there. */
  #status: 'open' | 'ended' = 'open'
  /** What the daemon calls it; 0 while it is not open there. */
  #id = 0
  #tie: LinkTie = { opener: KIND.iteratorOpen, number: 0, troubledAt: 0, deaths: 0 }
  /** Where to open it: the range, narrowed to what is still to be read. */
  #rest: Range
  #chunk: EntryChunk | undefined
  /** The demand that is ahead of the reader. */
  #ahead: Promise<EntryChunk> | undefined
  #delivered = 0
  /** Why it could not be opened ahead of the first demand. */
  #failure: Error | undefined

  constructor(database: Database, requests: Requests, retry: boolean, options: IteratorOptions) {
    super(database, options)
    this.#requests = requests
    this.#snapshot = findLease(options.snapshot, requests)
    this.#isReopenable = retry || this.#snapshot !== undefined
    if (this.#snapshot !== undefined) this.#tie = this.#snapshot.tie
    this.#signal = options.signal
    this.#range = pickRange(options as Range)
    this.#rest = this.#range
    this.#highWaterMarkBytes = Math.min(options.highWaterMarkBytes ?? 0, LIMITS.scanDemandBytesMax)
    // As in classic-level, where a single entry is already beyond it.
    this.#countMax = options.highWaterMarkBytes === 0 ? 1 : COUNT_MAX
    this.#format = {
      // Without the keys there is no place to resume from.
      keys: this.#isReopenable || options.keys !== false,
      values: options.values !== false,
      isKeyText: options.keyEncoding === 'utf8',
      isValueText: options.valueEncoding === 'utf8'
    }
    this.#flags =
      (options.reverse ? ITERATOR_FLAGS.reverse : 0) |
      (this.#format.keys ? ITERATOR_FLAGS.keys : 0) |
      (this.#format.values ? ITERATOR_FLAGS.values : 0) |
      (options.fillCache ? ITERATOR_FLAGS.fillCache : 0) |
      (this.#isReopenable ? 0 : ITERATOR_FLAGS.keep) |
      (this.#snapshot === undefined ? 0 : ITERATOR_FLAGS.snapshot)
    // Its own snapshot is of now. Without one, opening can wait for the first demand.
    if (!this.#isReopenable) this.#openAhead()
  }

  /** A plain value while there is one: the caller awaits either, and most calls need not wait. */
  _next(): Entry | undefined | Promise<Entry | undefined> {
    const chunk = this.#chunk
    if (chunk !== undefined && chunk.remaining > 0) return this.#take(chunk)
    return this.#nextFromDaemon()
  }

  async _nextv(size: number): Promise<Entry[]> {
    const chunk = await this.#fill(this.#demandBytes(), size)
    if (chunk === undefined) return []
    const entries = new Array<Entry>(Math.min(size, chunk.remaining))
    for (let index = 0; index < entries.length; index++) entries[index] = this.#take(chunk)
    return entries
  }

  async _all(): Promise<Entry[]> {
    const entries: Entry[] = []
    for (;;) {
      const chunk = await this.#fill(this.#demandBytes(), COUNT_MAX)
      if (chunk === undefined) return entries
      while (chunk.remaining > 0) entries.push(this.#take(chunk))
    }
  }

  _seek(target: Bytes): void {
    assertKey(target)
    this.#chunk = undefined
    this.#ahead = undefined
    if (this.#isReopenable) this.#reopenFrom(target)
    else this.#seekOnDaemon(target)
  }

  async _close(): Promise<void> {
    this.#chunk = undefined
    this.#closeOnDaemon()
  }

  // Taking entries

  #take(chunk: EntryChunk): Entry {
    const entry = chunk.take()
    this.#delivered++
    if (this.#ahead === undefined && this.#isTimeToAsk(chunk)) this.#readAhead(chunk)
    return entry
  }

  /** Half a chunk ahead spares those who read only the first entries; whoever has read more wants all. */
  #isTimeToAsk(chunk: EntryChunk): boolean {
    return this.#delivered >= LONG_SCAN_ENTRIES || chunk.remaining * 2 <= chunk.count
  }

  #demandBytes(): number {
    const isLong = this.#delivered >= LONG_SCAN_ENTRIES
    const usual = isLong ? LIMITS.scanLongChunkBytes : LIMITS.scanChunkBytes
    return this.#highWaterMarkBytes || usual
  }

  async #nextFromDaemon(): Promise<Entry | undefined> {
    const bytes = this.#delivered === 0 ? FIRST_BYTES : this.#demandBytes()
    const chunk = await this.#fill(this.#highWaterMarkBytes || bytes, COUNT_MAX)
    return chunk === undefined ? undefined : this.#take(chunk)
  }

  /** A chunk that has entries; undefined at the end. Opens the iterator again where it must be. */
  async #fill(bytes: number, count: number): Promise<EntryChunk | undefined> {
    while ((this.#chunk?.remaining ?? 0) === 0) {
      if (this.#status === 'ended' || this.#delivered >= this.limit) return undefined
      try {
        this.#ahead ??= this.#demand(bytes, count, this.#chunk)
        const chunk = await this.#await(this.#ahead)
        this.#ahead = undefined
        this.#rememberPlace()
        this.#chunk = chunk
        this.#forgetTrouble()
        if (chunk.isLast) this.#status = 'ended'
      } catch (error) {
        this.#ahead = undefined
        this.#recover(error as Error)
      }
    }
    return this.#chunk
  }

  /** While somebody waits the process stays alive; an abort ends the wait, not the demand. */
  async #await(demand: Promise<EntryChunk>): Promise<EntryChunk> {
    this.#requests.hold()
    try {
      return await (this.#signal === undefined ? demand : abortable(demand, this.#signal))
    } finally {
      this.#requests.release()
    }
  }

  /** @throws the error, unless opening the iterator again will help. */
  #recover(error: Error): void {
    const { code } = error as LevelError
    const isLost = code === 'LEVEL_CONNECTION_LOST' && this.#snapshot === undefined
    if (!this.#isReopenable || !(isLost || code === 'LEVEL_ITERATOR_NOT_OPEN')) {
      this.#forgetTrouble()
      throw this.#failure ?? this.#snapshot?.explain(error) ?? error
    }
    this.#rememberPlace()
    this.#chunk = undefined
    this.#id = 0
  }

  /** Only progress lets it have another full measure of time and deaths; or that it has failed. */
  #forgetTrouble(): void {
    this.#tie.troubledAt = 0
    this.#tie.deaths = 0
  }

  /** The last entry delivered is where a later opening goes on. */
  #rememberPlace(): void {
    const lastKey = this.#chunk?.lastKey
    if (lastKey !== undefined && this.#isReopenable) {
      this.#rest = rangeBehind(this.#range, lastKey, this.#isReverse)
    }
  }

  get #isReverse(): boolean {
    return (this.#flags & ITERATOR_FLAGS.reverse) !== 0
  }

  // Talking to the daemon

  #readAhead(chunk: EntryChunk): void {
    if (this.#status === 'ended' || this.limit - this.#delivered <= chunk.remaining) return
    this.#ahead = this.#demand(this.#demandBytes(), COUNT_MAX, chunk)
    // Whoever needs the chunk hears of the error; until then nobody does.
    this.#ahead.catch(() => {})
    // The entries at hand may all be consumed before this turn ends.
    this.#requests.flush()
  }

  /** Asks for entries behind those of `chunk`, and never for more than the limit leaves. */
  #demand(bytes: number, count: number, chunk: EntryChunk | undefined): Promise<EntryChunk> {
    const left = this.limit - this.#delivered - (chunk?.remaining ?? 0)
    const countMax = Math.min(count, left, this.#countMax)
    if (this.#id === 0) return this.#open(this.#decodeChunk, bytes, countMax)
    const frame = this.#requests.begin(KIND.iteratorNext)
    frame.uint32(this.#id)
    frame.uint32(bytes)
    frame.uint32(countMax)
    return this.#requests.requestOnLink(this.#decodeChunk, this.#tie)
  }

  readonly #decodeChunk: Decoder<EntryChunk> = (reader) => new EntryChunk(reader, this.#format)

  /** @param count 0 to open it and no more. */
  #open<T>(decode: Decoder<T>, bytes: number, count: number): Promise<T> {
    this.#snapshot?.assertHeld()
    this.#id = this.#requests.createResourceId()
    if (this.#snapshot === undefined) this.#tie = { ...this.#tie, number: 0 }
    const frame = this.#requests.begin(KIND.iteratorOpen)
    frame.uint32(this.#id)
    frame.uint8(this.#flags)
    frame.uint32(this.#highWaterMarkBytes)
    if (this.#snapshot !== undefined) frame.uint32(this.#snapshot.number)
    writeRange(frame, this.#rest)
    frame.uint32(bytes)
    frame.uint32(count)
    return this.#requests.requestOnLink(decode, this.#tie)
  }

  #openAhead(): void {
    this.#open(decodeDone, 0, 0).catch((error: Error) => {
      this.#failure = error
    })
  }

  #reopenFrom(target: Bytes): void {
    this.#closeOnDaemon()
    const rest = rangeFrom(this.#range, target, this.#isReverse)
    this.#status = rest === undefined ? 'ended' : 'open'
    this.#rest = rest ?? this.#range
  }

  #seekOnDaemon(target: Bytes): void {
    this.#status = 'open'
    const frame = this.#requests.begin(KIND.iteratorSeek)
    frame.uint32(this.#id)
    frame.tail(target)
    this.#requests.post(this.#tie)
  }

  #closeOnDaemon(): void {
    if (this.#id === 0) return
    const frame = this.#requests.begin(KIND.iteratorClose)
    frame.uint32(this.#id)
    this.#requests.post(this.#tie)
    this.#id = 0
  }
}
