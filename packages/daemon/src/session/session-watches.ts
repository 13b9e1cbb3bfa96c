// The watches of a session by the numbers that its client gave them.

import { type FrameReader, FrameWriter, LIMITS, PartyError, ProtocolError } from '@partyd/shared'
import { boundRange } from '../store/key-space.js'
import { PartyWatch } from './party-watch.js'
import { readRange } from './request-fields.js'
import type { SessionContext } from './session-context.js'

export class SessionWatches {
  readonly #session: SessionContext
  readonly #watches = new Map<number, PartyWatch>()
  #writer: FrameWriter | undefined

  constructor(session: SessionContext) {
    this.#session = session
  }

  /** It begins in its place among the session's operations: what is read behind it is not older. */
  onOpen(reader: FrameReader): void {
    const { id, kind } = reader
    const { engine, order, answers, channel } = this.#session
    const watchId = reader.uint32()
    reader.uint8() // No flag has a meaning yet.
    const range = boundRange(readRange(reader))
    reader.finish()
    if (this.#watches.has(watchId)) throw new ProtocolError(`Watch ${watchId} is opened twice`)
    if (this.#watches.size >= LIMITS.watchesMax) return answers.error(id, kind, tooManyWatches())
    this.#writer ??= new FrameWriter()
    const watch = new PartyWatch(watchId, range, channel, this.#writer)
    this.#watches.set(watchId, watch)
    order.read(() => {
      // A close may have overtaken it.
      if (this.#watches.get(watchId) === watch) engine.watchHub.add(watch)
      answers.done(id)
    })
  }

  onClose(reader: FrameReader): void {
    const watchId = reader.uint32()
    reader.finish()
    this.#close(watchId)
  }

  close(): void {
    for (const watchId of this.#watches.keys()) this.#close(watchId)
  }

  #close(watchId: number): void {
    const watch = this.#watches.get(watchId)
    if (watch === undefined) return
    this.#watches.delete(watchId)
    this.#session.engine.watchHub.delete(watch)
    watch.close()
  }
}

function tooManyWatches(): PartyError {
  const message = `This client has ${LIMITS.watchesMax} watches open. Close some of them first.`
  return new PartyError('PARTYD_TOO_MANY_PENDING', message)
}
