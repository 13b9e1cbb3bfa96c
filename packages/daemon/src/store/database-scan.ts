// A LevelDB iterator that is read step by step: as text while what it finds is text, and from the
// first entry that is not, on another iterator as bytes.

import { type Bytes, rangeBehind } from '@partyd/shared'
import type { SlowOperations } from '../log/slow-operations.js'
import { boundSeek, type Range } from './key-space.js'
import { isPlainText, type TextGuess } from './text-guess.js'

/** How to scan a range. Keys are always read: they tell how far a scan has come. */
export interface ScanOptions {
  readonly range: Range
  readonly reverse: boolean
  readonly values: boolean
  readonly fillCache: boolean
  /** A step ends once it has read more bytes than this. */
  readonly stepBytes: number
}

/** Key and value; the value means nothing where none was asked for. */
export type Entry = [key: Bytes, value: Bytes]

/** What one step of a scan has read. */
export interface ScanStep {
  readonly entries: readonly Entry[]
  /** Bytes of keys and values; of text beyond ASCII somewhat less. */
  readonly bytes: number
  readonly ended: boolean
}

/** An iterator of LevelDB as a scan uses it. */
export interface ScanSource {
  nextv(size: number): Promise<Entry[]>
  seek(target: Buffer, options: { keyEncoding: 'buffer' }): void
  close(): Promise<void>
}

/** Opens an iterator that gives keys and values in one format. */
export type OpenSource = (range: Range, format: 'utf8' | 'buffer') => ScanSource

export class DatabaseScan {
  readonly #options: ScanOptions
  readonly #open: OpenSource
  readonly #guess: TextGuess
  readonly #onClose: () => unknown
  readonly #slowOperations: SlowOperations | undefined
  #format: 'utf8' | 'buffer'
  #source: ScanSource
  /** The last key read, if it was text. */
  #lastKey: string | undefined
  /** Where it was sought and has not been read since. */
  #target: Buffer | undefined
  /** A step that was read before it was asked for. */
  #ahead: Promise<ScanStep> | undefined

  /**
   * @param guess whether it will find text.
   * @param onClose lets go of what `open` has used.
   */
  constructor(
    options: ScanOptions,
    open: OpenSource,
    guess: TextGuess,
    onClose: () => unknown,
    slowOperations?: SlowOperations
  ) {
    this.#slowOperations = slowOperations
    this.#options = options
    this.#open = open
    this.#guess = guess
    this.#onClose = onClose
    this.#format = guess.guess() ? 'utf8' : 'buffer'
    this.#source = open(options.range, this.#format)
  }

  async step(entriesMax: number): Promise<ScanStep> {
    const ahead = this.#ahead
    this.#ahead = undefined
    const step = await (ahead ?? this.#read(entriesMax))
    return step.entries.length > entriesMax ? this.#split(step, entriesMax) : step
  }

  /** Has the thread pool read the next step while the last one is being dealt with. */
  readAhead(entriesMax: number): void {
    if (this.#ahead !== undefined) return
    this.#ahead = this.#read(entriesMax)
    this.#ahead.catch(() => {}) // The next step will tell.
  }

  /** What is too much for this step is the next one. */
  #split({ entries, bytes, ended }: ScanStep, count: number): ScanStep {
    const firstBytes = Math.round((bytes * count) / entries.length)
    const rest = { entries: entries.slice(count), bytes: bytes - firstBytes, ended }
    this.#ahead = Promise.resolve(rest)
    return { entries: entries.slice(0, count), bytes: firstBytes, ended: false }
  }

  async #read(entriesMax: number): Promise<ScanStep> {
    const startedAt = performance.now()
    const text = this.#format === 'utf8' ? await this.#readText(entriesMax) : undefined
    if (text === undefined) await this.#turnToBytes()
    const entries = text ?? (await this.#source.nextv(entriesMax))
    const step = this.#describe(entries, entriesMax)
    this.#slowOperations?.noteSince(startedAt, 'scan', () => {
      return { count: entries.length, bytes: step.bytes }
    })
    return step
  }

  /**
   * @returns undefined for what is not text. An error is LevelDB's own and final: it comes at the end
   * of a range for whatever was unreadable in it, and another source might begin behind that.
   */
  async #readText(entriesMax: number): Promise<Entry[] | undefined> {
    const { values } = this.#options
    const entries = await this.#source.nextv(entriesMax)
    for (const [key, value] of entries) {
      if (!isPlainText(key) || (values && !isPlainText(value))) return undefined
    }
    this.#lastKey = (entries.at(-1)?.[0] as string | undefined) ?? this.#lastKey
    if (entries.length > 0) this.#target = undefined
    return entries
  }

  /** Goes on where the last step of text has ended. */
  async #turnToBytes(): Promise<void> {
    if (this.#format === 'buffer') return
    this.#guess.onBytes()
    await this.#source.close()
    const { range, reverse } = this.#options
    this.#format = 'buffer'
    const isFresh = this.#lastKey === undefined
    const rest = isFresh ? range : rangeBehind(range, Buffer.from(this.#lastKey ?? ''), reverse)
    this.#source = this.#open(rest, 'buffer')
    if (this.#target !== undefined) this.#seek(this.#target)
  }

  #describe(entries: readonly Entry[], entriesMax: number): ScanStep {
    const { values, stepBytes } = this.#options
    let length = 0
    for (const [key, value] of entries) length += values ? key.length + value.length : key.length
    // classic-level ends a step for its size, for its bytes, or because there is no more. A character
    // has up to three bytes; they are counted only where it matters.
    const isFull =
      length > stepBytes || (length * 3 > stepBytes && this.#count(entries) > stepBytes)
    return { entries, bytes: length, ended: entries.length < entriesMax && !isFull }
  }

  #count(entries: readonly Entry[]): number {
    let bytes = 0
    for (const [key, value] of entries) {
      bytes += Buffer.byteLength(key)
      if (this.#options.values) bytes += Buffer.byteLength(value)
    }
    return bytes
  }

  async seek(target: Buffer): Promise<void> {
    await this.#dropAhead()
    this.#lastKey = undefined
    this.#target = target
    this.#seek(target)
  }

  #seek(target: Buffer): void {
    this.#source.seek(boundSeek(target, this.#options.range), { keyEncoding: 'buffer' })
  }

  /** What is read ahead may be on the way to another source: that has to be waited for. */
  async #dropAhead(): Promise<void> {
    await this.#ahead?.catch(() => {})
    this.#ahead = undefined
  }

  async close(): Promise<void> {
    await this.#dropAhead()
    await this.#source.close()
    await this.#onClose()
  }
}
