// A party client's session while it is on a connection: hands each request to the part that knows
// it, and says when the client has enough under way. The parts share its order and its answers.

import { type Channel, type FrameReader, isWrite, KIND, PartyError } from '@partyd/shared'
import type { Counters } from '../counters.js'
import { AnswerWriter } from './answer-writer.js'
import type { Engine } from './engine.js'
import { SessionIterators } from './session-iterators.js'
import { SessionOrder } from './session-order.js'
import { SessionProperties } from './session-properties.js'
import { SessionReads } from './session-reads.js'
import { SessionSnapshots } from './session-snapshots.js'
import type { SessionState } from './session-state.js'
import { SessionWatches } from './session-watches.js'
import { SessionWrites } from './session-writes.js'

export class PartySession {
  readonly #answers: AnswerWriter
  readonly #order: SessionOrder
  readonly #writes: SessionWrites
  readonly #reads: SessionReads
  readonly #iterators: SessionIterators
  readonly #watches: SessionWatches
  readonly #snapshots: SessionSnapshots
  readonly #properties: SessionProperties
  readonly #counters: Counters

  /** @param state undefined for a client without retry. */
  constructor(engine: Engine, channel: Channel, state: SessionState | undefined) {
    this.#answers = new AnswerWriter(channel, engine.faults)
    this.#order = new SessionOrder(engine, () => channel.resume())
    const own = { engine, channel, answers: this.#answers, order: this.#order, state }
    this.#snapshots = new SessionSnapshots(own)
    const context = { ...own, snapshots: this.#snapshots }
    this.#writes = new SessionWrites(context)
    this.#reads = new SessionReads(context)
    this.#iterators = new SessionIterators(context)
    this.#watches = new SessionWatches(context)
    this.#properties = new SessionProperties(context)
    this.#counters = engine.counters
  }

  /** Whether requests should be left in the socket for now. */
  get isSaturated(): boolean {
    return (
      this.#reads.isSaturated ||
      this.#iterators.isSaturated ||
      this.#writes.isSaturated ||
      this.#properties.isSaturated
    )
  }

  /** @throws ProtocolError when the frame makes no sense; an unknown kind is answered with an error. */
  onFrame(reader: FrameReader): void {
    this.#counters.requests++
    if (isWrite(reader.kind)) {
      this.#counters.writes++
      return this.#writes.onFrame(reader)
    }
    switch (reader.kind) {
      case KIND.get:
        return this.#reads.onGet(reader)
      case KIND.getMany:
        return this.#reads.onGetMany(reader)
      case KIND.has:
        return this.#reads.onHas(reader)
      case KIND.hasMany:
        return this.#reads.onHasMany(reader)
      case KIND.iteratorOpen:
        return this.#iterators.onOpen(reader)
      case KIND.iteratorNext:
        return this.#iterators.onNext(reader)
      case KIND.iteratorSeek:
        return this.#iterators.onSeek(reader)
      case KIND.iteratorClose:
        return this.#iterators.onClose(reader)
      case KIND.watchOpen:
        return this.#watches.onOpen(reader)
      case KIND.watchClose:
        return this.#watches.onClose(reader)
      case KIND.snapshotOpen:
        return this.#snapshots.onOpen(reader)
      case KIND.snapshotClose:
        return this.#snapshots.onClose(reader)
      case KIND.approximateSize:
        return this.#properties.onApproximateSize(reader)
      case KIND.compactRange:
        return this.#properties.onCompactRange(reader)
      case KIND.getProperty:
        return this.#properties.onGetProperty(reader)
      default:
        return this.#answers.error(reader.id, reader.kind, unknownKind(reader.kind))
    }
  }

  /**
   * Ends the session's iterators and watches, and drops what waits for its turn. Resolves when the writes
   * that are in the commit queue are in the database. A clear among them may still read its snapshot.
   */
  async close(): Promise<void> {
    this.#answers.close()
    this.#reads.close()
    this.#iterators.close()
    this.#watches.close()
    await this.#order.retire()
    this.#snapshots.close()
  }
}

/** The answer to a frame of a kind that has no meaning here: never dropped, or its sender would wait. */
export function unknownKind(kind: number): PartyError {
  const message = `This daemon does not know frames of kind ${kind} on this connection. Update partyd.`
  return new PartyError('PARTYD_INCOMPATIBLE', message)
}
