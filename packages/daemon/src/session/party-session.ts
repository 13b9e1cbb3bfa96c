// The operations of a party client whose hello is answered: decodes its requests, runs them in
// session order, and encodes the answers.

import {
  ANSWER_FLAGS,
  type Channel,
  FRAME_HEADER_BYTES,
  type FrameReader,
  FrameWriter,
  ITERATOR_FLAGS,
  isWrite,
  KIND,
  LIMITS,
  MISSING_LENGTH,
  OPERATION_NAMES,
  PartyError,
  ProtocolError,
  RANGE_FLAGS,
  READ_FLAGS,
  RESULT,
  resultError,
  TIMES,
  toWireError,
  WRITE_FLAGS
} from '@partyd/shared'
import type { ScanOptions } from '../store/database.js'
import { isHidden, type Range } from '../store/key-space.js'
import type { SequencePlace } from '../store/writes.js'
import type { Engine } from './engine.js'
import { type Entries, type IteratorOwner, PartyIterator } from './party-iterator.js'
import { SessionOrder } from './session-order.js'
import type { SessionState } from './session-state.js'

/** Values from this size on are sent from where they are instead of being copied into a frame. */
const OWN_RANGE_BYTES = 16 * 1024
/** Longest value that fits an answer. Another program may have written a longer one. */
const VALUE_BYTES_MAX = LIMITS.frameBytesMax - FRAME_HEADER_BYTES

export class PartySession implements IteratorOwner {
  readonly #engine: Engine
  readonly #channel: Channel
  readonly #order: SessionOrder
  readonly #writer = new FrameWriter()
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
        return this.#sendError(reader.id, reader.kind, unknownKind(reader.kind))
    }
  }

  /**
   * Ends the session's iterators and drops what waits for its turn. Resolves when the writes that
   * are in the commit queue are in the database.
   */
  close(): Promise<void> {
    this.#status = 'closed'
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
      if (error === undefined) this.#sendDone(id)
      else this.#sendError(id, kind, error)
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
      if (refusal === undefined) this.#sendDone(id)
      else this.#sendError(id, kind, refusal)
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
      if (error === undefined) this.#sendDone(id)
      else this.#sendError(id, kind, error)
      this.#channel.resume()
    })
  }

  // Reads

  #onGet(reader: FrameReader): void {
    const { id } = reader
    const fillCache = (reader.uint8() & READ_FLAGS.noFillCache) === 0
    const key = reader.tail()
    if (isHidden(key)) return this.#sendValue(id, undefined)
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
        this.#sendValue(id, value)
        this.#onReadsDone(1)
      },
      onError: (error) => {
        this.#sendError(id, KIND.get, error)
        this.#onReadsDone(1)
      }
    })
  }

  #getNow(id: number, key: Buffer, fillCache: boolean): void {
    let value: Buffer | undefined
    try {
      value = this.#engine.readPath.readNow(key, fillCache)
    } catch (error) {
      return this.#sendError(id, KIND.get, error)
    }
    this.#sendValue(id, value)
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
        this.#sendValues(id, spread(group, values), to === keys.length)
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
      this.#sendPresence(id, [present])
    })
  }

  #onHasMany(reader: FrameReader): void {
    const { id, kind } = reader
    const fillCache = (reader.uint8() & READ_FLAGS.noFillCache) === 0
    const keys = readKeys(reader)
    this.#readAsync(id, kind, keys.length, async () => {
      const present = await this.#engine.database.hasMany(keys, fillCache)
      this.#sendPresence(
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
        this.#sendError(id, kind, error)
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
    if (this.#iterators.size >= LIMITS.iteratorsMax) return this.#sendTooManyIterators(id)
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
    else this.#sendDone(id)
  }

  #onIteratorNext(reader: FrameReader): void {
    const { id } = reader
    const iteratorId = reader.uint32()
    const bytes = reader.uint32()
    const count = reader.uint32()
    reader.finish()
    const iterator = this.#iterators.get(iteratorId)
    if (iterator === undefined) return this.#sendIteratorGone(id, iteratorId)
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
    try {
      this.#sendEntries(id, iterator.options, answer)
    } catch (error) {
      this.#sendError(id, KIND.iteratorNext, error)
    }
  }

  onIteratorError(id: number, error: Error): void {
    this.#sendError(id, KIND.iteratorNext, error)
  }

  onDemandChange(bytes: number): void {
    this.#demandedBytes += bytes
    if (bytes < 0) this.#channel.resume()
  }

  // Answers

  #sendDone(id: number): void {
    this.#writer.begin(KIND.done, id)
    this.#send()
  }

  #sendValue(id: number, value: Buffer | undefined): void {
    if (value === undefined) {
      this.#writer.begin(KIND.missing, id)
      return this.#send()
    }
    if (value.length > VALUE_BYTES_MAX) return this.#sendError(id, KIND.get, tooLarge(value))
    this.#writer.begin(KIND.value, id)
    if (value.length < OWN_RANGE_BYTES) {
      this.#writer.tail(value)
      return this.#send()
    }
    this.#send(value.length)
    if (this.#status === 'open') this.#channel.send(value, 0, value.length)
  }

  /** One frame for each {@link LIMITS.valuesFrameBytes}, so that no answer outgrows a frame. */
  #sendValues(id: number, values: readonly (Buffer | undefined)[], isLast: boolean): void {
    let from = 0
    do {
      const to = findFrameEnd(values, from)
      this.#writer.begin(KIND.values, id)
      this.#writer.uint8(isLast && to === values.length ? 0 : ANSWER_FLAGS.more)
      this.#writer.uint32(to - from)
      for (const value of values.slice(from, to)) {
        if (value === undefined) this.#writer.uint32(MISSING_LENGTH)
        else this.#writer.bytes(value)
      }
      this.#send()
      from = to
    } while (from < values.length)
  }

  /** @throws PartyError `PARTYD_TOO_LARGE` when an entry is larger than a frame may be. */
  #sendEntries(id: number, { keys, values }: ScanOptions, { entries, ended }: Entries): void {
    const writer = this.#writer
    writer.begin(KIND.entries, id)
    writer.uint8(ended ? ANSWER_FLAGS.ended : 0)
    writer.uint32(entries.length)
    for (const [key, value] of entries) {
      if (keys) writer.bytes(key)
      if (values) writer.bytes(value)
    }
    this.#send()
  }

  #sendPresence(id: number, present: readonly boolean[]): void {
    this.#writer.begin(KIND.presence, id)
    for (const isPresent of present) this.#writer.uint8(isPresent ? 1 : 0)
    this.#send()
  }

  #sendTooManyIterators(id: number): void {
    const message = `This client has ${LIMITS.iteratorsMax} iterators open. Close some of them first.`
    this.#sendError(id, KIND.iteratorOpen, new PartyError('PARTYD_TOO_MANY_PENDING', message))
  }

  /** The client tells this code from others and opens the iterator again. */
  #sendIteratorGone(id: number, iteratorId: number): void {
    const error = Object.assign(new Error(`Iterator ${iteratorId} is not open`), {
      code: 'LEVEL_ITERATOR_NOT_OPEN'
    })
    this.#sendError(id, KIND.iteratorNext, error)
  }

  #sendError(id: number, kind: number, error: unknown): void {
    const operation = OPERATION_NAMES[kind]
    this.#writer.begin(KIND.error, id)
    this.#writer.tail(JSON.stringify(toWireError(error, { operation })))
    this.#send()
  }

  #send(following = 0): void {
    const writer = this.#writer
    writer.end(following)
    if (this.#status === 'open') this.#channel.send(writer.chunk, writer.start, writer.position)
  }
}

/** The answer to a frame of a kind that has no meaning here: never dropped, or its sender would wait. */
export function unknownKind(kind: number): PartyError {
  const message = `This daemon does not know frames of kind ${kind} on this connection. Update partyd.`
  return new PartyError('PARTYD_INCOMPATIBLE', message)
}

function tooLarge(value: Buffer): PartyError {
  const message = `The value of ${value.length} bytes is larger than the ${VALUE_BYTES_MAX} that an answer can hold.`
  return new PartyError('PARTYD_TOO_LARGE', message)
}

/** The pairs of a put, del or batch: key, value, key, value, …, all of them views of the frame. */
function readPairs(reader: FrameReader): (Buffer | undefined)[] {
  if (reader.kind === KIND.put) return [reader.bytes(), reader.tail()]
  if (reader.kind === KIND.del) return [reader.tail(), undefined]
  const count = readCount(reader, 5)
  const pairs = new Array<Buffer | undefined>(count * 2)
  for (let index = 0; index < pairs.length; index += 2) {
    const type = reader.uint8()
    if (type > 1) throw new ProtocolError(`A batch has an operation of unknown type ${type}`)
    pairs[index] = reader.bytes()
    pairs[index + 1] = type === 1 ? reader.bytes() : undefined
  }
  reader.finish()
  return pairs
}

function readKeys(reader: FrameReader): Buffer[] {
  const count = readCount(reader, 4)
  if (count > LIMITS.keysMax) {
    throw new ProtocolError(
      `A frame of kind ${reader.kind} names ${count} keys, and ${LIMITS.keysMax} are allowed`
    )
  }
  const keys = new Array<Buffer>(count)
  for (let index = 0; index < keys.length; index++) keys[index] = reader.bytes()
  reader.finish()
  return keys
}

/** A count of items, each of which takes at least `bytesMin`: checked before anything is allocated for them. */
function readCount(reader: FrameReader, bytesMin: number): number {
  const count = reader.uint32()
  if (count * bytesMin > reader.end - reader.position) {
    throw new ProtocolError(`A frame of kind ${reader.kind} claims ${count} items it does not hold`)
  }
  return count
}

function readRange(reader: FrameReader): Range {
  const flags = reader.uint8()
  const range: Range = {}
  if (flags & RANGE_FLAGS.gt) range.gt = reader.bytes()
  if (flags & RANGE_FLAGS.gte) range.gte = reader.bytes()
  if (flags & RANGE_FLAGS.lt) range.lt = reader.bytes()
  if (flags & RANGE_FLAGS.lte) range.lte = reader.bytes()
  return range
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

/** Where an answer frame that begins at `from` ends: behind the first value that fills it. */
function findFrameEnd(values: readonly (Buffer | undefined)[], from: number): number {
  let bytes = 0
  let to = from
  while (to < values.length && bytes < LIMITS.valuesFrameBytes) {
    bytes += (values[to]?.length ?? 0) + 4
    to++
  }
  return to
}
