// The iterators of a session by the numbers that its client gave them.

import {
  type FrameReader,
  ITERATOR_FLAGS,
  KIND,
  LIMITS,
  ProtocolError,
  TIMES
} from '@partyd/shared'
import { explainSnapshot } from '../store/lost-snapshot.js'
import {
  type Entries,
  type IteratorOwner,
  PartyIterator,
  tooManyIterators
} from './party-iterator.js'
import { readRange, readSnapshotNumber } from './request-fields.js'
import type { SessionContext } from './session-context.js'

export class SessionIterators implements IteratorOwner {
  readonly #session: SessionContext
  readonly #iterators = new Map<number, PartyIterator>()
  #sweep: NodeJS.Timeout | undefined
  /** Bytes that iterators have been asked for and have not answered. */
  #demandedBytes = 0

  constructor(session: SessionContext) {
    this.#session = session
  }

  /** Whether as much is demanded as a session may demand at a time. */
  get isSaturated(): boolean {
    return this.#demandedBytes >= LIMITS.scanDemandBytesMax
  }

  onOpen(reader: FrameReader): void {
    const { id } = reader
    const { engine, order, answers } = this.#session
    const iteratorId = reader.uint32()
    const flags = reader.uint8()
    const highWaterMarkBytes = reader.uint32()
    const snapshotNumber = readSnapshotNumber(reader, flags, ITERATOR_FLAGS.snapshot)
    const range = readRange(reader)
    const bytes = reader.uint32()
    const count = reader.uint32()
    reader.finish()
    if (this.#iterators.has(iteratorId)) {
      throw new ProtocolError(`Iterator ${iteratorId} is opened twice`)
    }
    if (this.#iterators.size >= LIMITS.iteratorsMax) {
      return answers.error(id, KIND.iteratorOpen, tooManyIterators())
    }
    const options = {
      range,
      reverse: (flags & ITERATOR_FLAGS.reverse) !== 0,
      keys: (flags & ITERATOR_FLAGS.keys) !== 0,
      values: (flags & ITERATOR_FLAGS.values) !== 0,
      fillCache: (flags & ITERATOR_FLAGS.fillCache) !== 0,
      keep: (flags & ITERATOR_FLAGS.keep) !== 0,
      stepBytes: Math.min(
        highWaterMarkBytes || LIMITS.scanStepAloneBytes,
        LIMITS.scanDemandBytesMax
      )
    }
    const iterator = new PartyIterator(options, engine.scanQueue, this)
    this.#iterators.set(iteratorId, iterator)
    this.#sweep ??= setInterval(() => this.#closeIdle(), TIMES.iteratorIdle / 4).unref()
    // First: if it cannot begin, its close answers the demand.
    if (count > 0) iterator.next(id, bytes, count)
    order.read(() => this.#begin(iterator, iteratorId, snapshotNumber))
    if (count === 0) answers.done(id)
  }

  #begin(iterator: PartyIterator, iteratorId: number, snapshotNumber: number | undefined): void {
    const { engine, snapshots } = this.#session
    if (snapshotNumber === undefined) return iterator.open(engine.database)
    try {
      iterator.open(engine.database, snapshots.find(snapshotNumber))
    } catch (error) {
      this.#iterators.delete(iteratorId)
      iterator.close(error as Error)
    }
  }

  onNext(reader: FrameReader): void {
    const { id } = reader
    const iteratorId = reader.uint32()
    const bytes = reader.uint32()
    const count = reader.uint32()
    reader.finish()
    const iterator = this.#iterators.get(iteratorId)
    if (iterator === undefined) {
      return this.#session.answers.error(id, KIND.iteratorNext, iteratorGone(iteratorId))
    }
    iterator.next(id, bytes, Math.max(count, 1))
  }

  onSeek(reader: FrameReader): void {
    const iteratorId = reader.uint32()
    const target = reader.tail()
    this.#iterators.get(iteratorId)?.seek(target)
  }

  onClose(reader: FrameReader): void {
    const iteratorId = reader.uint32()
    reader.finish()
    this.#iterators.get(iteratorId)?.close()
    this.#iterators.delete(iteratorId)
  }

  close(): void {
    clearInterval(this.#sweep)
    for (const iterator of this.#iterators.values()) iterator.close()
    this.#iterators.clear()
  }

  /** Idle iterators pin snapshots. Their clients open them again behind the last key. */
  #closeIdle(): void {
    const horizon = Date.now() - TIMES.iteratorIdle
    for (const [iteratorId, iterator] of this.#iterators) {
      const { idleSince } = iterator
      if (idleSince === undefined || idleSince > horizon) continue
      iterator.close()
      this.#iterators.delete(iteratorId)
    }
  }

  // What iterators tell

  onEntries(id: number, iterator: PartyIterator, answer: Entries): void {
    this.#session.answers.entries(id, iterator.options, answer)
  }

  onIteratorError(id: number, error: Error): void {
    this.#session.answers.error(id, KIND.iteratorNext, explainSnapshot(error))
  }

  onDemandChange(bytes: number): void {
    this.#demandedBytes += bytes
    if (bytes < 0) this.#session.channel.resume()
  }
}

/** The client tells this code from others and opens the iterator again. */
function iteratorGone(iteratorId: number): Error {
  const error = new Error(`Iterator ${iteratorId} is not open`)
  return Object.assign(error, { code: 'LEVEL_ITERATOR_NOT_OPEN' })
}
