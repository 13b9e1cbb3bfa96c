// The watches that the daemon keeps for this link, by the numbers that the client gave them, and who
// is told what each of them sees.

import type { FrameReader } from '@partyd/shared'

/** Somebody who hears of changes. */
export interface ChangeSink {
  /** The reader is behind the watch's number. */
  onChanges(reader: FrameReader): void
  /** The daemon has dropped changes, because too many waited for this client. */
  onDropped(): void
  /** The link is lost, and with it whatever has changed since. */
  onLost(error: Error): void
}

export class Watches {
  readonly #sinks = new Map<number, ChangeSink>()
  #nextId = 0

  createId(): number {
    do {
      this.#nextId = this.#nextId === 0xffff_ffff ? 1 : this.#nextId + 1
    } while (this.#sinks.has(this.#nextId))
    return this.#nextId
  }

  /** The daemon has the watch. */
  add(id: number, sink: ChangeSink): void {
    this.#sinks.set(id, sink)
  }

  delete(id: number): void {
    this.#sinks.delete(id)
  }

  /** The reader is at changes, or at word of dropped ones. A watch that was just closed misses nothing. */
  onChanges(reader: FrameReader): void {
    this.#sinks.get(reader.uint32())?.onChanges(reader)
  }

  onDropped(reader: FrameReader): void {
    this.#sinks.get(reader.uint32())?.onDropped()
  }

  onLost(error: Error): void {
    const sinks = [...this.#sinks.values()]
    this.#sinks.clear()
    for (const sink of sinks) sink.onLost(error)
  }
}
