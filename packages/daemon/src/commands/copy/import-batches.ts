// Puts entries into the database in batches of bounded size, a few of them on the way at a time.

import type { Bytes } from '@partyd/shared'
import type { ClientDatabase } from '../open-database.js'

/** Entries and bytes of a batch: what the daemon itself writes at a time is larger, and does not wait for it. */
const BATCH_ENTRIES = 2000
const BATCH_BYTES = 1_048_576
/** Batches that are sent and not answered: the daemon has the next one when it is done with one. */
const ON_THE_WAY_MAX = 3
/** Bytes of these, unless it is one alone. */
const ON_THE_WAY_BYTES_MAX = 16_777_216

interface Put {
  readonly key: Bytes
  readonly value: Bytes
}

interface Batch {
  readonly puts: readonly Put[]
  readonly bytes: number
  /** The line of its last entry. */
  readonly line: number
}

export type Target = Pick<ClientDatabase, 'atomic' | 'put'>

export class ImportBatches {
  /** What the daemon has acknowledged: the entries, their bytes, and the line of the last one. */
  readonly written: { entries: number; bytes: number; line: number }
  readonly #target: Target
  #puts: Put[] = []
  #bytes = 0
  #line = 0
  readonly #onTheWay: { readonly batch: Batch; readonly done: Promise<void> }[] = []
  #bytesOnTheWay = 0

  /** @param line of the last one that need not be written. */
  constructor(target: Target, line: number) {
    this.#target = target
    this.written = { entries: 0, bytes: 0, line }
  }

  /** Resolves when there is room for the next. */
  add(key: Bytes, value: Bytes, line: number): Promise<void> | undefined {
    const bytes = key.length + value.length
    const isFull =
      this.#puts.length === BATCH_ENTRIES ||
      (this.#puts.length > 0 && this.#bytes + bytes > BATCH_BYTES)
    // The last batch is written in another way: so each is kept until there is another entry.
    const sent = isFull ? this.#send(false) : undefined
    this.#puts.push({ key, value })
    this.#bytes += bytes
    this.#line = line
    return sent
  }

  /** Whether it is known of everything that was sent what has become of it. */
  get areAnswered(): boolean {
    return this.#onTheWay.length === 0
  }

  /** Sends what is left. Resolves when all of it is in the database, and what was sent last on the disk. */
  async finish(): Promise<void> {
    if (this.#puts.length > 0) await this.#send(true)
    await this.settle()
  }

  /** Resolves when everything that was sent has been answered. What is left is not sent. */
  async settle(): Promise<void> {
    while (this.#onTheWay.length > 0) await this.#nextDone()
  }

  async #send(sync: boolean): Promise<void> {
    const batch = { puts: this.#puts, bytes: this.#bytes, line: this.#line }
    this.#puts = []
    this.#bytes = 0
    while (!this.#hasRoom(batch.bytes)) await this.#nextDone()
    const done = this.#write(batch.puts, sync)
    done.catch(() => {}) // Whoever waits for it next hears of the error.
    this.#onTheWay.push({ batch, done })
    this.#bytesOnTheWay += batch.bytes
  }

  #hasRoom(bytes: number): boolean {
    const { length } = this.#onTheWay
    if (length === 0) return true
    return length < ON_THE_WAY_MAX && this.#bytesOnTheWay + bytes <= ON_THE_WAY_BYTES_MAX
  }

  /** An atomic rather than a batch, for which abstract-level copies each entry: 10 µs of 13. */
  async #write(puts: readonly Put[], sync: boolean): Promise<void> {
    const [first] = puts
    // One that is very large fits a frame only by itself.
    if (puts.length === 1 && first !== undefined) {
      const { key, value } = first
      return this.#target.put<Bytes, Bytes>(key, value, { ...encodingsOf(first), sync })
    }
    const atomic = this.#target.atomic()
    for (const put of puts) atomic.put<Bytes, Bytes>(put.key, put.value, encodingsOf(put))
    await atomic.commit({ sync })
  }

  async #nextDone(): Promise<void> {
    const next = this.#onTheWay[0]
    if (next === undefined) return
    await next.done
    this.#onTheWay.shift()
    const { puts, bytes, line } = next.batch
    this.#bytesOnTheWay -= bytes
    this.written.entries += puts.length
    this.written.bytes += bytes
    this.written.line = line
  }
}

function encodingsOf({ key, value }: Put): { keyEncoding: string; valueEncoding: string } {
  if (typeof key === 'string' && typeof value === 'string') return TEXTS
  return {
    keyEncoding: typeof key === 'string' ? 'utf8' : 'buffer',
    valueEncoding: typeof value === 'string' ? 'utf8' : 'buffer'
  }
}

const TEXTS = { keyEncoding: 'utf8', valueEncoding: 'utf8' }
