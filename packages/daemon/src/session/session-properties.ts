// What a session asks about the database beside its entries: sizes and properties, and compaction.
// Each in session order: a size counts what the session has written before.

import type { FrameReader } from '@partyd/shared'
import { LIMITS } from '@partyd/shared'
import { boundKey } from '../store/key-space.js'
import type { SessionContext } from './session-context.js'

export class SessionProperties {
  readonly #session: SessionContext
  #inFlight = 0

  constructor(session: SessionContext) {
    this.#session = session
  }

  /** Whether as much is under way as a session may have. */
  get isSaturated(): boolean {
    return this.#inFlight >= LIMITS.readsInFlightMax
  }

  onApproximateSize(reader: FrameReader): void {
    const { id } = reader
    const { engine, answers } = this.#session
    const start = boundKey(reader.bytes())
    const end = boundKey(reader.tail())
    this.#inTurn(reader, async () => {
      answers.info(id, { size: await engine.database.approximateSize(start, end) })
    })
  }

  onCompactRange(reader: FrameReader): void {
    const { id } = reader
    const { engine, answers } = this.#session
    const start = boundKey(reader.bytes())
    const end = boundKey(reader.tail())
    this.#inTurn(reader, async () => {
      await engine.database.compactRange(start, end)
      answers.done(id)
    })
  }

  onGetProperty(reader: FrameReader): void {
    const { id } = reader
    const { engine, answers } = this.#session
    const property = reader.tailText()
    this.#inTurn(reader, async () => {
      answers.value(id, Buffer.from(engine.database.getProperty(property)))
    })
  }

  #inTurn({ id, kind }: FrameReader, run: () => Promise<void>): void {
    const { order, answers, channel } = this.#session
    this.#inFlight++
    order.read(async () => {
      try {
        await run()
      } catch (error) {
        answers.error(id, kind, error)
      }
      this.#inFlight--
      channel.resume()
    })
  }
}
