// A watch on the daemon's side of things: asked for, fed with changes, lost with its link, and asked
// for again. What is fed waits here for its consumer.

import { type FrameReader, KIND } from '@partyd/shared'
import { decodeDone } from './answers.js'
import { ChangeBuffer, type RawChange } from './change-buffer.js'
import { type Range, writeRange } from './range.js'
import type { LinkTie } from './request.js'
import type { Requests } from './requests.js'
import type { ChangeSink } from './watches.js'

/** Whom a feed tells. */
export interface FeedOwner {
  /** There may be something to take. */
  onFed(): void
  /** The link is lost. */
  onLost(error: Error): void
}

export class WatchFeed implements ChangeSink {
  readonly #range: Range
  readonly #owner: FeedOwner
  readonly #buffer = new ChangeBuffer()
  /** asked: the daemon has not answered yet · live: it tells of every change · lost: its link is gone. */
  #status: 'idle' | 'asked' | 'live' | 'lost' | 'closed' = 'idle'
  #requests: Requests | undefined
  #id = 0
  readonly #tie: LinkTie = {
    opener: KIND.watchOpen,
    number: 0,
    troubledAt: 0,
    deaths: 0
  }

  constructor(range: Range, owner: FeedOwner) {
    this.#range = range
    this.#owner = owner
  }

  get isLost(): boolean {
    return this.#status === 'lost'
  }

  /** The requests among which it was asked for. */
  get requests(): Requests | undefined {
    return this.#requests
  }

  /** Asks the daemon for the changes that are committed behind what has been requested before. */
  async ask(requests: Requests): Promise<void> {
    this.#status = 'asked'
    this.#requests = requests
    this.#id = requests.watches.createId()
    const frame = requests.begin(KIND.watchOpen)
    frame.uint32(this.#id)
    frame.uint8(0)
    writeRange(frame, this.#range)
    // When the link is lost before the answer, it is asked for again in the same place.
    await requests.request((reader, parts) => {
      decodeDone(reader, parts)
      this.#onAnswered(requests)
    })
  }

  /**
   * The next change. A reset is given by a live feed only: what its consumer then reads again must
   * not be older than what the feed sees.
   */
  take(): RawChange | 'reset' | undefined {
    return this.#status === 'live' ? this.#buffer.take() : undefined
  }

  close(): void {
    const wasLive = this.#status === 'live'
    this.#status = 'closed'
    this.#buffer.reset()
    if (wasLive) this.#closeOnDaemon()
  }

  onChanges(reader: FrameReader): void {
    this.#buffer.push(reader)
    this.#owner.onFed()
  }

  onDropped(): void {
    this.#buffer.reset()
    this.#owner.onFed()
  }

  onLost(error: Error): void {
    this.#status = 'lost'
    this.#buffer.reset()
    this.#owner.onLost(error)
  }

  /** Still in the turn of the answer: changes may be right behind it. */
  #onAnswered(requests: Requests): void {
    this.#tie.number = requests.linkNumber
    if (this.#status === 'closed') return this.#closeOnDaemon()
    this.#status = 'live'
    requests.watches.add(this.#id, this)
    this.#owner.onFed()
  }

  #closeOnDaemon(): void {
    const requests = this.#requests as Requests
    requests.watches.delete(this.#id)
    const frame = requests.begin(KIND.watchClose)
    frame.uint32(this.#id)
    requests.post(this.#tie)
  }
}
