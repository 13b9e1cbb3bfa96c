// The writes of a session: counted in the order sent, refused if they touch hidden keys, and handed
// on in session order. A write that comes again is answered from memory.

import {
  CLEAR_FLAGS,
  type FrameReader,
  KIND,
  LIMITS,
  OPERATION_NAMES,
  PartyError,
  ProtocolError,
  RESULT,
  resultError,
  WRITE_FLAGS
} from '@partyd/shared'
import { isHidden } from '../store/key-space.js'
import type { SequencePlace } from '../store/writes.js'
import { readAtomic, readPairs, readRange, readSnapshotNumber } from './request-fields.js'
import type { SessionContext } from './session-context.js'

export class SessionWrites {
  readonly #session: SessionContext
  /** The number of the last write received. */
  #lastSequence: number

  constructor(session: SessionContext) {
    this.#session = session
    this.#lastSequence = session.state?.applied ?? 0
  }

  /** Whether as much is under way as a session may have. */
  get isSaturated(): boolean {
    const { order } = this.#session
    return (
      order.pendingOperations >= LIMITS.unsettledWritesMax ||
      order.pendingBytes >= LIMITS.unsettledBytesMax
    )
  }

  /** @throws ProtocolError when the frame makes no sense or its number is out of order. */
  onFrame(reader: FrameReader): void {
    const { id, kind } = reader
    const { state } = this.#session
    const sequence = reader.uint53()
    const settledThrough = reader.uint53()
    if (sequence <= this.#lastSequence) return this.#answerAgain(id, kind, sequence)
    this.#assertInOrder(sequence, settledThrough)
    this.#lastSequence = sequence
    state?.settle(settledThrough)
    const place = state && { session: state, sequence }
    if (kind === KIND.skip) {
      reader.finish()
      return this.#write(id, kind, [], false, place)
    }
    const flags = reader.uint8()
    if (kind === KIND.clear) return this.#clear(reader, flags, place)
    const sync = this.#isSync(flags)
    if (kind === KIND.atomic) return this.#atomic(reader, sync, place)
    this.#write(id, kind, readPairs(reader), sync, place)
  }

  #isSync(flags: number): boolean {
    if ((flags & WRITE_FLAGS.sync) !== 0) return true
    return (flags & WRITE_FLAGS.noSync) === 0 && this.#session.engine.syncByDefault
  }

  #assertInOrder(sequence: number, settledThrough: number): void {
    // A client that settled nothing would make its record grow for ever.
    const isUnsettled = sequence - settledThrough > LIMITS.unsettledWritesMax
    if (sequence === this.#lastSequence + 1 && settledThrough < sequence && !isUnsettled) return
    throw new ProtocolError(
      `Write ${sequence} (settled through ${settledThrough}) follows write ${this.#lastSequence}`
    )
  }

  /** A write that came before. Its result is known once it is in. */
  #answerAgain(id: number, kind: number, sequence: number): void {
    const { order, state, answers } = this.#session
    order.read(() => {
      const result = state?.resultOf(sequence) ?? RESULT.ok
      const error = resultError(result, OPERATION_NAMES[kind] ?? 'write')
      if (error !== undefined) answers.error(id, kind, error)
      else if (kind === KIND.atomic) answers.decided(id, result)
      else answers.done(id)
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
    const { order } = this.#session
    const refusal = findHiddenKey(pairs)
    const result = refusal === undefined ? RESULT.ok : RESULT.reservedKey
    order.write(refusal === undefined ? pairs : [], sync, place, result, () =>
      this.#answer(id, kind, refusal)
    )
  }

  #atomic(reader: FrameReader, sync: boolean, place: SequencePlace | undefined): void {
    const { id, kind } = reader
    const { order, answers } = this.#session
    const { checks, pairs } = readAtomic(reader)
    // Refused like any other write, whatever its checks would say.
    if (findHiddenKey(pairs) !== undefined) return this.#write(id, kind, pairs, sync, place)
    order.atomic(checks, pairs, sync, place, (result, error) => {
      if (error !== undefined) return this.#answer(id, kind, error)
      answers.decided(id, result)
    })
  }

  #clear(reader: FrameReader, flags: number, place: SequencePlace | undefined): void {
    const { id, kind } = reader
    const { engine, order, snapshots, state } = this.#session
    const number = readSnapshotNumber(reader, flags, CLEAR_FLAGS.snapshot)
    const limit = reader.uint53()
    const range = readRange(reader)
    reader.finish()
    const reverse = (flags & CLEAR_FLAGS.reverse) !== 0
    const progress = place && state?.clearProgress(place.sequence)
    // Looked up when it is its turn: opening it may be waiting for earlier writes.
    const findSnapshot = number === undefined ? undefined : () => snapshots.find(number)
    const options = { range, reverse, limit, sync: engine.syncByDefault, findSnapshot }
    order.clear(options, place, progress, (error) => this.#answer(id, kind, error))
  }

  #answer(id: number, kind: number, error: Error | undefined): void {
    const { answers } = this.#session
    if (error === undefined) answers.done(id)
    else answers.error(id, kind, error)
  }
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
