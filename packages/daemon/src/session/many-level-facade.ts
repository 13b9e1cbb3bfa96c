// The database as many-level's host wants it: callbacks, and not-found as an error. many-level
// speaks abstract-level 1; over a database of abstract-level 3 it would hang without a word.

import { type Bytes, LIMITS, NO_LIMIT, PartyError, RESULT } from '@partyd/shared'
import type { Entry } from '../store/database-scan.js'
import { isHidden, type Range } from '../store/key-space.js'
import type { Engine } from './engine.js'
import {
  type Entries,
  type IteratorOwner,
  PartyIterator,
  tooManyIterators
} from './party-iterator.js'
import { SessionOrder } from './session-order.js'

type Callback<T = undefined> = (error: Error | null, value?: T) => void

/** A batch operation as many-level decodes it. */
interface GuestOperation {
  readonly type: 'put' | 'del'
  readonly key: Buffer
  readonly value?: Buffer | null
}

/** Range options as many-level decodes them; limit is negative where there is none. */
interface GuestRangeOptions extends Range {
  readonly reverse?: boolean
  readonly limit?: number
}

/** What many-level's host calls. One per guest, since session order is a session's own. */
export class ManyLevelFacade {
  /** The host looks for events to forward; it forwards none yet. */
  readonly supports = { events: {} }
  readonly #engine: Engine
  readonly #order: SessionOrder
  /** Operations whose callback has not been called. */
  #pending = 0
  #openIterators = 0
  #whenIdle: (() => void)[] = []
  #whenRoom: (() => void)[] = []

  constructor(engine: Engine) {
    this.#engine = engine
    this.#order = new SessionOrder(engine)
  }

  /** Resolves when every operation has been answered. */
  async awaitIdle(): Promise<void> {
    if (this.#pending === 0) return
    await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
  }

  /** Operations that may be pending: fewer where values are large, for all answers are in memory at once. */
  get operationsMax(): number {
    return Math.min(LIMITS.readsInFlightMax, this.#engine.readPath.countFor(LIMITS.readBytesMax))
  }

  /** Resolves when few enough operations are pending for more to be taken on. */
  async awaitRoom(): Promise<void> {
    while (this.#pending >= this.operationsMax) {
      await new Promise<void>((resolve) => this.#whenRoom.push(resolve))
    }
  }

  open(_options: unknown, callback: Callback): void {
    process.nextTick(callback)
  }

  /** Without a value, which no stock guest sends, it is an empty one, as in a batch. */
  put(key: Buffer, value: Buffer | null, _options: unknown, callback: Callback): void {
    this.#write([key, value ?? EMPTY], callback)
  }

  del(key: Buffer, _options: unknown, callback: Callback): void {
    this.#write([key, undefined], callback)
  }

  batch(operations: readonly GuestOperation[], _options: unknown, callback: Callback): void {
    const pairs = operations.flatMap(({ type, key, value }) => [
      key,
      type === 'put' ? (value ?? EMPTY) : undefined
    ])
    this.#write(pairs, callback)
  }

  clear(options: GuestRangeOptions, callback: Callback): void {
    const { reverse = false, limit = -1 } = options
    const clearLimit = limit < 0 ? NO_LIMIT : limit
    if (clearLimit === 0) return process.nextTick(callback)
    const done = this.#begin(callback)
    const range = pickRange(options)
    const bounds = { range, reverse, limit: clearLimit, sync: this.#engine.syncByDefault }
    this.#order.clear(bounds, undefined, undefined, (error) => done(error ?? null))
  }

  get(key: Buffer, _options: unknown, callback: Callback<Buffer>): void {
    const done = this.#begin(callback)
    this.#order.read(() => {
      if (isHidden(key)) return done(notFound())
      this.#engine.readPath.enqueue({
        key,
        fillCache: true,
        onValue: (value) => (value === undefined ? done(notFound()) : done(null, toBuffer(value))),
        onError: done
      })
    })
  }

  /** The host dereferences the values even when there is an error, so there are always some. */
  getMany(
    keys: readonly Buffer[],
    _options: unknown,
    callback: (error: Error | null, values: (Buffer | undefined)[]) => void
  ): void {
    const done = this.#begin(callback)
    this.#order.read(() => {
      const onFailed = (error: Error): void => done(error, [])
      this.#readMany(keys).then((values) => done(null, values), onFailed)
    })
  }

  /** @throws PartyError `PARTYD_TOO_LARGE`: the host puts all values into one frame. */
  async #readMany(keys: readonly Buffer[]): Promise<(Buffer | undefined)[]> {
    const { database, readPath } = this.#engine
    const snapshot = database.snapshot()
    const values: (Buffer | undefined)[] = []
    try {
      let bytes = 0
      while (values.length < keys.length) {
        const countMax = readPath.countFor(LIMITS.readGroupBytes)
        const group = keys.slice(values.length, values.length + countMax)
        for (const [index, value] of (await database.getMany(group, true, snapshot)).entries()) {
          readPath.weigh(value)
          values.push(isHidden(group[index] as Buffer) ? undefined : value)
          bytes += value?.length ?? 0
        }
        if (bytes > LIMITS.frameBytesMax) throw tooManyBytes()
      }
    } finally {
      await snapshot.close()
    }
    return values
  }

  iterator(options: GuestRangeOptions): GuestIterator<[Buffer, Buffer]> {
    return this.#iterate(options, true, true, (entry) => entry)
  }

  keys(options: GuestRangeOptions): GuestIterator<Buffer> {
    return this.#iterate(options, true, false, ([key]) => key)
  }

  values(options: GuestRangeOptions): GuestIterator<Buffer> {
    return this.#iterate(options, false, true, ([, value]) => value)
  }

  #write(pairs: readonly (Buffer | undefined)[], callback: Callback): void {
    const done = this.#begin(callback)
    const hasHidden = pairs.some((key, index) => index % 2 === 0 && isHidden(key as Buffer))
    const sync = this.#engine.syncByDefault
    this.#order.write(hasHidden ? [] : pairs, sync, undefined, RESULT.ok, () =>
      done(hasHidden ? reservedKey() : null)
    )
  }

  /** Counts an operation as pending until its callback is called. */
  #begin<Result extends unknown[]>(
    callback: (...result: Result) => void
  ): (...result: Result) => void {
    this.#pending++
    return (...result) => {
      callback(...result)
      this.#pending--
      for (const resolve of this.#whenRoom.splice(0)) resolve()
      if (this.#pending > 0) return
      for (const resolve of this.#whenIdle.splice(0)) resolve()
    }
  }

  #iterate<T>(
    options: GuestRangeOptions,
    keys: boolean,
    values: boolean,
    pick: (entry: [Buffer, Buffer]) => T
  ): GuestIterator<T> {
    const iterator = new GuestIterator(pick, () => this.#openIterators--)
    if (this.#openIterators === LIMITS.iteratorsMax) return iterator
    this.#openIterators++
    const { reverse = false } = options
    const scan = { range: pickRange(options), reverse, keys, values, fillCache: false, keep: true }
    const stepOptions = { ...scan, stepBytes: LIMITS.scanStepAloneBytes }
    iterator.source = new PartyIterator(stepOptions, this.#engine.scanQueue, iterator)
    this.#order.read(() => iterator.source?.open(this.#engine.database))
    return iterator
  }
}

/** An iterator as the host uses it: one nextv at a time, no seek or close in between, and one close. */
class GuestIterator<T> implements IteratorOwner {
  /** There is none if there were too many already. */
  source: PartyIterator | undefined
  readonly #pick: (entry: [Buffer, Buffer]) => T
  readonly #onClosed: () => void
  #callback: Callback<T[]> | undefined

  constructor(pick: (entry: [Buffer, Buffer]) => T, onClosed: () => void) {
    this.#pick = pick
    this.#onClosed = onClosed
  }

  nextv(size: number, callback: Callback<T[]>): void {
    if (this.source === undefined) return process.nextTick(callback, tooManyIterators())
    this.#callback = callback
    this.source.next(0, LIMITS.scanChunkBytes, size)
  }

  seek(target: Buffer): void {
    this.source?.seek(target)
  }

  close(callback: () => void): void {
    if (this.source !== undefined) this.#onClosed()
    this.source?.close()
    process.nextTick(callback)
  }

  onEntries(_id: number, _iterator: PartyIterator, { entries }: Entries): void {
    const pick = ([key, value]: Entry): T => this.#pick([toBuffer(key), toBuffer(value)])
    this.#callback?.(null, entries.map(pick))
  }

  onIteratorError(_id: number, error: Error): void {
    this.#callback?.(error)
  }

  /** The host asks for one chunk at a time. */
  onDemandChange(): void {}
}

const EMPTY = Buffer.alloc(0)

/** The host takes bytes only. A value that was not asked for is none. */
function toBuffer(data: Bytes | undefined): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : ((data as Buffer | undefined) ?? EMPTY)
}

function pickRange({ gt, gte, lt, lte }: GuestRangeOptions): Range {
  const range: Range = {}
  if (gt != null) range.gt = gt
  if (gte != null) range.gte = gte
  if (lt != null) range.lt = lt
  if (lte != null) range.lte = lte
  return range
}

function notFound(): Error {
  return Object.assign(new Error('Entry not found'), { code: 'LEVEL_NOT_FOUND' })
}

function tooManyBytes(): PartyError {
  const message = `The values come to more than the ${LIMITS.frameBytesMax} bytes that an answer can hold. Ask for fewer keys.`
  return new PartyError('PARTYD_TOO_LARGE', message)
}

function reservedKey(): Error {
  return new PartyError('PARTYD_RESERVED_KEY', 'The key starts with sixteen bytes 0xff')
}
