// Encodes the answers of a session and puts them on its channel.

import {
  ANSWER_FLAGS,
  type Bytes,
  type Channel,
  FRAME_HEADER_BYTES,
  FrameWriter,
  KIND,
  LIMITS,
  MISSING_LENGTH,
  OPERATION_NAMES,
  PartyError,
  toWireError
} from '@partyd/shared'
import type { DatabaseFaults } from '../log/database-faults.js'
import type { Entries, IteratorOptions } from './party-iterator.js'

/** Values from this size on are sent from where they are instead of being copied into a frame. */
const OWN_RANGE_BYTES = 16 * 1024
/** Longest value that fits an answer. Another program may have written a longer one. */
const VALUE_BYTES_MAX = LIMITS.frameBytesMax - FRAME_HEADER_BYTES

export class AnswerWriter {
  readonly #channel: Channel
  readonly #faults: DatabaseFaults
  readonly #writer = new FrameWriter()
  #status: 'open' | 'closed' = 'open'

  constructor(channel: Channel, faults: DatabaseFaults) {
    this.#channel = channel
    this.#faults = faults
  }

  /** Sends nothing any more: the channel is somebody else's, or gone. */
  close(): void {
    this.#status = 'closed'
  }

  done(id: number): void {
    this.#writer.begin(KIND.done, id)
    this.#send()
  }

  /** @param result whether an atomic's checks held. */
  decided(id: number, result: number): void {
    this.#writer.begin(KIND.done, id)
    this.#writer.uint8(result)
    this.#send()
  }

  value(id: number, value: Bytes | undefined): void {
    if (value === undefined) {
      this.#writer.begin(KIND.missing, id)
      return this.#send()
    }
    if (value.length > VALUE_BYTES_MAX) return this.error(id, KIND.get, tooLarge(value))
    this.#writer.begin(KIND.value, id)
    if (typeof value === 'string' || value.length < OWN_RANGE_BYTES) {
      this.#writer.tail(value)
      return this.#send()
    }
    this.#send(value.length)
    if (this.#status === 'open') this.#channel.send(value, 0, value.length)
  }

  /** One frame for each {@link LIMITS.valuesFrameBytes}, so that no answer outgrows a frame. */
  values(id: number, values: readonly (Bytes | undefined)[], isLast: boolean): void {
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

  entries(id: number, options: IteratorOptions, answer: Entries): void {
    try {
      this.#entries(id, options, answer)
    } catch (error) {
      this.error(id, KIND.iteratorNext, error)
    }
  }

  /** @throws PartyError `PARTYD_TOO_LARGE` when an entry is larger than a frame may be. */
  #entries(id: number, { keys, values }: IteratorOptions, { entries, ended }: Entries): void {
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

  presence(id: number, present: readonly boolean[]): void {
    this.#writer.begin(KIND.presence, id)
    for (const isPresent of present) this.#writer.uint8(isPresent ? 1 : 0)
    this.#send()
  }

  info(id: number, object: object): void {
    this.#writer.begin(KIND.info, id)
    this.#writer.tail(JSON.stringify(object))
    this.#send()
  }

  error(id: number, kind: number, error: unknown): void {
    this.#faults.note(error)
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

function tooLarge(value: Bytes): PartyError {
  const message = `The value of ${value.length} bytes is larger than the ${VALUE_BYTES_MAX} that an answer can hold.`
  return new PartyError('PARTYD_TOO_LARGE', message)
}

/** Where an answer frame that begins at `from` ends: behind the first value that fills it. */
function findFrameEnd(values: readonly (Bytes | undefined)[], from: number): number {
  let bytes = 0
  let to = from
  while (to < values.length && bytes < LIMITS.valuesFrameBytes) {
    bytes += (values[to]?.length ?? 0) + 4
    to++
  }
  return to
}
