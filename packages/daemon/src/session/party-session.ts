// The operations of a party client whose hello is answered: decodes its requests and runs them in
// session order. The answers go out through its AnswerWriter.

import {
  type Channel,
  type FrameReader,
  ITERATOR_FLAGS,
  isWrite,
  KIND,
  LIMITS,
  OPERATION_NAMES,
  PartyError,
  ProtocolError,
  READ_FLAGS,
  RESULT,
  resultError,
  TIMES,
  WRITE_FLAGS
} from '@partyd/shared'
import { isHidden } from '../store/key-space.js'
import type { SequencePlace } from '../store/writes.js'
import { AnswerWriter } from './answer-writer.js'
import type { Engine } from './engine.js'
import { type Entries, type IteratorOwner, PartyIterator } from './party-iterator.js'
import { readKeys, readPairs, readRange } from './request-fields.js'
import { SessionOrder } from './session-order.js'
import type { SessionState } from './session-state.js'

export class PartySession implements IteratorOwner {
  readonly #engine: Engine
  readonly #channel: Channel
  readonly #order: SessionOrder
  readonly #answers: AnswerWriter
  readonly #iterators = new Map<number, PartyIterator>()
  #iteratorSweep: NodeJS.Timeout | undefined
  readonly #state: SessionState | undefined
  /** The number of the last write received. */
  #lastSequence: number
  #readsInFlight = 0
  /** Bytes that iterators have been asked for and have not answered. */
  #demandedBytes = 0
  #status: 'open' | 'closed' = 'open'

  /** @param state undefined for a client without retry, whose writes need no record. */
  constructor(engine: Engine, channel: Channel, state: SessionState | undefined) {
    this.#engine = engine
    this.#channel = channel
    this.#answers = new AnswerWriter(channel)
    this.#state = state
    this.#order = new SessionOrder(engine.commitQueue)
    this.#lastSequence = state?.applied ?? 0
  }

  /** Whether requests should be left in the socket for now. */
  get isSaturated(): boolean {
    return (
      this.#readsInFlight >= this.#readsMax ||
      this.#demandedBytes >= LIMITS.scanDemandBytesMax ||
      this.#order.pendingOperations >= LIMITS.unsettledWritesMax ||
      this.#order.pendingBytes >= LIMITS.unsettledBytesMax
    )
  }

  /** Fewer where values are large: they are all in memory at once. */
  get #readsMax(): number {
    return Math.min(LIMITS.readsInFlightMax, this.#engine.readPath.countFor(LIMITS.readBytesMax))
  }

  /** @throws ProtocolError when the frame makes no sense; an unknown kind is answered with an error. */
  onFrame(reader: FrameReader): void {
    if (isWrite(reader.kind)) return this.#onWrite(reader)
    switch (reader.kind) {
      case KIND.get:
        return this.#onGet(reader)
      case KIND.getMany:
        return this.#onGetMany(reader)
      case KIND.has:
        return this.#onHas(reader)
      case KIND.hasMany:
        return this.#onHasMany(reader)
      case KIND.iteratorOpen:
        return this.#onIteratorOpen(reader)
      case KIND.iteratorNext:
        return this.#onIteratorNext(reader)
      case KIND.iteratorSeek:
        return this.#onIteratorSeek(reader)
      case KIND.iteratorClose:
        return this.#onIteratorClose(reader)
      default:
        return this.#answers.error(reader.id, reader.kind, unknownKind(reader.kind))
    }
  }

  /**
   * Ends the session's iterators and drops what waits for its turn. Resolves when the writes that
   * are in the commit queue are in the database.
   */
  close(): Promise<void> {
    this.#status = 'closed'
    this.#answers.close()
    clearInterval(this.#iteratorSweep)
    for (const iterator of this.#iterators.values()) iterator.close()
    this.#iterators.clear()
    return this.#order.retire()
  }

  // Writes

  #onWrite(reader: FrameReader): void {
    const { id, kind } = reader
    const sequence = reader.uint53()
    const settledThrough = reader.uint53()
    if (sequence <= this.#lastSequence) return this.#answerAgain(id, kind, sequence)
    // A client that settled nothing would make its record grow for ever.
    const isUnsettled = sequence - settledThrough > LIMITS.unsettledWritesMax
    if (sequence !== this.#lastSequence + 1 || settledThrough >= sequence || isUnsettled) {
      throw new ProtocolError(
        `Write ${sequence} (settled through ${settledThrough}) follows write ${this.#lastSequence}`
      )
    }
    this.#lastSequence = sequence
    this.#state?.settle(settledThrough)
    const place = this.#state && { session: this.#state, sequence }
    if (kind === KIND.skip) {
      reader.finish()
      return this.#write(id, kind, [], false, place)
    }
    const flags = reader.uint8()
    if (kind === KIND.clear) return this.#clear(reader, flags, place)
    this.#write(id, kind, readPairs(reader), (flags & WRITE_FLAGS.sync) !== 0, place)
  }

  /** A write that came before. Its result is known once it is in. */
  #answerAgain(id: number, kind: number, sequence: number): void {
    this.#order.read(() => {
      const error = resultError(
        this.#state?.resultOf(sequence) ?? RESULT.ok,
        OPERATION_NAMES[kind] ?? 'write'
      )
      if (error === undefined) this.#answers.done(id)
      else this.#answers.error(id, kind, error)
    })
  }

  /** A refused write keeps its place in the order: its answer comes when its batch is in. */
  #write(
    id: number,
    kind: number,
    pairs: readonly (Buffer | undefined)[],
    sync: boolean,
    place: SequencePlace | undefined
  ): void {
    const refusal = findHiddenKey(pairs)
    const result = refusal === undefined ? RESULT.ok : RESULT.reservedKey
    this.#order.write(refusal === undefined ? pairs : [], sync, place, result, () => {
      if (refusal === undefined) this.#answers.done(id)
      else this.#answers.error(id, kind, refusal)
      this.#channel.resume()
    })
  }

  #clear(reader: FrameReader, flags: number, place: SequencePlace | undefined): void {
    const { id, kind } = reader
    const limit = reader.uint53()
    const range = readRange(reader)
    reader.finish()
    const reverse = (flags & ITERATOR_FLAGS.reverse) !== 0
    const progress = place && this.#state?.clearProgress(place.sequence)
    this.#order.clear({ range, reverse, limit }, place, progress, (error) => {
      if (error === undefined) this.#answers.done(id)
      else this.#answers.error(id, kind, error)
      this.#channel.resume()
    })
  }

  // Reads

  #onGet(reader: FrameReader): void {
    const { id } = reader
    const fillCache = (reader.uint8() & READ_FLAGS.noFillCache) === 0
    const key = reader.tail()
    if (isHidden(key)) return this.#answers.value(id, undefined)
    if (this.#order.isReadable) this.#get(id, key, fillCache)
    else this.#order.read(() => this.#get(id, key, fillCache))
  }

  #get(id: number, key: Buffer, fillCache: boolean): void {
    const { readPath } = this.#engine
    if (readPath.mayReadNow) return this.#getNow(id, key, fillCache)
    this.#readsInFlight++
    readPath.enqueue({
      key,
      fillCache,
      onValue: (value) => {
        this.#answers.value(id, value)
        this.#onReadsDone(1)
      },
      onError: (error) => {
        this.#answers.error(id, KIND.get, error)
        this.#onReadsDone(1)
      }
    })
  }

  #getNow(id: number, key: Buffer, fillCache: boolean): void {
    let value: Buffer | undefined
    try {
      value = this.#engine.readPath.readNow(key, fillCache)
    } catch (error) {
      return this.#answers.error(id, KIND.get, error)
    }
    this.#answers.value(id, value)
  }

  #onGetMany(reader: FrameReader): void {
    const { id, kind } = reader
    const fillCache = (reader.uint8() & READ_FLAGS.noFillCache) === 0
    const keys = readKeys(reader)
    this.#readAsync(id, kind, keys.length, () => this.#getMany(id, keys, fillCache))
  }

  /** Reads and answers group by group: one key named many times must not fill the memory. */
  async #getMany(id: number, keys: readonly Buffer[], fillCache: boolean): Promise<void> {
    const { database, readPath } = this.#engine
    const groupMax = (): number =>
      Math.min(LIMITS.readsInFlightMax, readPath.countFor(LIMITS.readGroupBytes))
    // All groups see the same database; one group does so by itself.
    const snapshot = keys.length > groupMax() ? database.snapshot() : undefined
    try {
      let to = 0
      do {
        const group = keys.slice(to, to + groupMax())
        to += group.length
        const visible = group.filter((key) => !isHidden(key))
        const values = await database.getMany(visible, fillCache, snapshot)
        for (const value of values) readPath.weigh(value)
        this.#answers.values(id, spread(group, values), to === keys.length)
        await this.#channel.writable()
      } while (to < keys.length && this.#status === 'open')
    } finally {
      await snapshot?.close()
    }
  }

  #onHas(reader: FrameReader): void {
    const { id, kind } = reader
    const fillCache = (reader.uint8() & READ_FLAGS.noFillCache) === 0
    const key = reader.tail()
    this.#readAsync(id, kind, 1, async () => {
      const present = !isHidden(key) && (await this.#engine.database.has(key, fillCache))
      this.#answers.presence(id, [present])
    })
  }

  #onHasMany(reader: FrameReader): void {
    const { id, kind } = reader
    const fillCache = (reader.uint8() & READ_FLAGS.noFillCache) === 0
    const keys = readKeys(reader)
    this.#readAsync(id, kind, keys.length, async () => {
      const present = await this.#engine.database.hasMany(keys, fillCache)
      this.#answers.presence(
        id,
        present.map((isPresent, index) => isPresent && !isHidden(keys[index] as Buffer))
      )
    })
  }

  /** Runs a read of `count` keys in the thread pool once it is its turn. */
  #readAsync(id: number, kind: number, count: number, read: () => Promise<void>): void {
    this.#readsInFlight += count
    const run = async (): Promise<void> => {
      try {
        await read()
      } catch (error) {
        this.#answers.error(id, kind, error)
      }
      this.#onReadsDone(count)
    }
    this.#order.read(run)
  }

  #onReadsDone(count: number): void {
    this.#readsInFlight -= count
    this.#channel.resume()
  }

  // Iterators

  #onIteratorOpen(reader: FrameReader): void {
    const { id } = reader
    const iteratorId = reader.uint32()
    const flags = reader.uint8()
    const highWaterMarkBytes = reader.uint32()
    const range = readRange(reader)
    const bytes = reader.uint32()
    const count = reader.uint32()
    reader.finish()
    if (this.#iterators.has(iteratorId)) {
      throw new ProtocolError(`Iterator ${iteratorId} is opened twice`)
    }
    if (this.#iterators.size >= LIMITS.iteratorsMax) {
      return this.#answers.error(id, KIND.iteratorOpen, tooManyIterators())
    }
    const options = {
      range,
      reverse: (flags & ITERATOR_FLAGS.reverse) !== 0,
      keys: (flags & ITERATOR_FLAGS.keys) !== 0,
      values: (flags & ITERATOR_FLAGS.values) !== 0,
      fillCache: (flags & ITERATOR_FLAGS.fillCache) !== 0,
      stepBytes: Math.min(highWaterMarkBytes || LIMITS.scanStepBytes, LIMITS.scanDemandBytesMax)
    }
    const keep = (flags & ITERATOR_FLAGS.keep) !== 0
    const iterator = new PartyIterator(options, keep, this.#engine.scanQueue, this)
    this.#iterators.set(iteratorId, iterator)
    this.#iteratorSweep ??= setInterval(
      () => this.#closeIdleIterators(),
      TIMES.iteratorIdle / 4
    ).unref()
    this.#order.read(() => iterator.open(this.#engine.database))
    if (count > 0) iterator.next(id, bytes, count)
    else this.#answers.done(id)
  }

  #onIteratorNext(reader: FrameReader): void {
    const { id } = reader
    const iteratorId = reader.uint32()
    const bytes = reader.uint32()
    const count = reader.uint32()
    reader.finish()
    const iterator = this.#iterators.get(iteratorId)
    if (iterator === undefined) {
      return this.#answers.error(id, KIND.iteratorNext, iteratorGone(iteratorId))
    }
    iterator.next(id, bytes, Math.max(count, 1))
  }

  #onIteratorSeek(reader: FrameReader): void {
    const iteratorId = reader.uint32()
    const target = reader.tail()
    this.#iterators.get(iteratorId)?.seek(target)
  }

  #onIteratorClose(reader: FrameReader): void {
    const iteratorId = reader.uint32()
    reader.finish()
    this.#iterators.get(iteratorId)?.close()
    this.#iterators.delete(iteratorId)
  }

  /** Idle iterators pin snapshots. Their clients open them again behind the last key. */
  #closeIdleIterators(): void {
    const horizon = Date.now() - TIMES.iteratorIdle
    for (const [iteratorId, iterator] of this.#iterators) {
      const { idleSince } = iterator
      if (idleSince === undefined || idleSince > horizon) continue
      iterator.close()
      this.#iterators.delete(iteratorId)
    }
  }

  onEntries(id: number, iterator: PartyIterator, answer: Entries): void {
    this.#answers.entries(id, iterator.options, answer)
  }

  onIteratorError(id: number, error: Error): void {
    this.#answers.error(id, KIND.iteratorNext, error)
  }

  onDemandChange(bytes: number): void {
    this.#demandedBytes += bytes
    if (bytes < 0) this.#channel.resume()
  }
}

/** The answer to a frame of a kind that has no meaning here: never dropped, or its sender would wait. */
export function unknownKind(kind: number): PartyError {
  const message = `This daemon does not know frames of kind ${kind} on this connection. Update partyd.`
  return new PartyError('PARTYD_INCOMPATIBLE', message)
}

function tooManyIterators(): PartyError {
  const message = `This client has ${LIMITS.iteratorsMax} iterators open. Close some of them first.`
  return new PartyError('PARTYD_TOO_MANY_PENDING', message)
}

/** The client tells this code from others and opens the iterator again. */
function iteratorGone(iteratorId: number): Error {
  const error = new Error(`Iterator ${iteratorId} is not open`)
  return Object.assign(error, { code: 'LEVEL_ITERATOR_NOT_OPEN' })
}

function findHiddenKey(pairs: readonly (Buffer | undefined)[]): PartyError | undefined {
  for (let index = 0; index < pairs.length; index += 2) {
    const key = pairs[index] as Buffer
    if (!isHidden(key)) continue
    return new PartyError(
      'PARTYD_RESERVED_KEY',
      `The key 0x${key.subarray(0, 24).toString('hex')} starts with sixteen bytes 0xff. Those keys are partyd's own.`
    )
  }
  return undefined
}

/** Puts the values of the visible keys in their places among all keys. */
function spread(
  keys: readonly Buffer[],
  values: readonly (Buffer | undefined)[]
): readonly (Buffer | undefined)[] {
  if (keys.length === values.length) return values
  let next = 0
  return keys.map((key) => (isHidden(key) ? undefined : values[next++]))
}
