// One iterator of a party session: answers each demand of the client with one frame of entries,
// read in steps that the scan queue grants.

import { FRAME_HEADER_BYTES, LIMITS, PartyError } from '@partyd/shared'
import type { Database, Snapshot } from '../store/database.js'
import type { DatabaseScan, Entry, ScanOptions, ScanStep } from '../store/database-scan.js'
import type { Scan, ScanQueue, ScanTurn } from '../store/scan-queue.js'

/** What an iterator reads, and what of it is sent. */
export interface IteratorOptions extends ScanOptions {
  /** Whether the keys are sent. */
  readonly keys: boolean
  /** Whether its snapshot is to stay while the client asks for nothing. */
  readonly keep: boolean
}

/** Entries that answer one demand. */
export interface Entries {
  readonly entries: readonly Entry[]
  readonly ended: boolean
}

/** How an iterator answers the demand with that request id. */
export interface IteratorOwner {
  onEntries(id: number, iterator: PartyIterator, answer: Entries): void
  onIteratorError(id: number, error: Error): void
  /** The bytes that it still has to answer have become so many more, or fewer. */
  onDemandChange(bytes: number): void
}

/** What to expect of an entry before one has been seen. */
const ENTRY_BYTES = 128
/** Whoever reads so many entries in one step, or so many bytes, will want the next step too. */
const LONG_STEP_ENTRIES = 256
const LONG_STEP_BYTES = 65_536
/** What is left of a frame for entries, behind the flags and the count of an answer. */
const ENTRIES_BYTES_MAX = LIMITS.frameBytesMax - FRAME_HEADER_BYTES - 5

type Command =
  | { readonly kind: 'next'; readonly id: number; readonly bytes: number; readonly count: number }
  | { readonly kind: 'seek'; readonly target: Buffer }

export class PartyIterator implements Scan {
  readonly options: IteratorOptions
  readonly #queue: ScanQueue
  readonly #owner: IteratorOwner
  readonly #commands: Command[] = []
  #scan: DatabaseScan | undefined
  /** waiting: for earlier writes · idle: no demand · queued: has or waits for its turn. */
  #status: 'waiting' | 'idle' | 'queued' | 'closed' = 'waiting'
  #ended = false
  /** An entry that the last answer had no room for. */
  #heldBack: Entry | undefined
  /** What an entry is like here, by those that the last step has read. */
  #entryBytes = ENTRY_BYTES
  #failure: Error | undefined
  #demandedBytes = 0
  #lastDemandAt: number = Date.now()

  constructor(options: IteratorOptions, queue: ScanQueue, owner: IteratorOwner) {
    this.options = options
    this.#queue = queue
    this.#owner = owner
  }

  /** A seek reads nothing; a demand at most what is asked for, or what a step reads among others. */
  get stepBytes(): number {
    const [command] = this.#commands
    if (command?.kind !== 'next') return 0
    return Math.min(command.count * this.#entryBytes, command.bytes, LIMITS.scanStepBytes)
  }

  /** Since when nothing has been asked of it, or undefined while it works. */
  get idleSince(): number | undefined {
    return this.#status === 'idle' && !this.options.keep ? this.#lastDemandAt : undefined
  }

  /** Takes the snapshot, unless it is given one. Demands that came before wait for this. */
  open(database: Database, snapshot?: Snapshot): void {
    if (this.#status !== 'waiting') return
    this.#scan = database.scan(this.options, snapshot)
    this.#status = 'idle'
    this.#work()
  }

  next(id: number, bytes: number, count: number): void {
    this.#lastDemandAt = Date.now()
    const bytesMax = Math.min(bytes, LIMITS.scanDemandBytesMax)
    this.#commands.push({ kind: 'next', id, bytes: bytesMax, count })
    this.#changeDemand(this.#cost(bytesMax))
    this.#work()
  }

  seek(target: Buffer): void {
    // Only the last of several counts, so that seeks cannot pile up.
    if (this.#commands.at(-1)?.kind === 'seek') this.#commands.pop()
    this.#commands.push({ kind: 'seek', target })
    this.#work()
  }

  /** Releases the snapshot, after the step under way. Demands that it overtook are answered so. */
  close(reason: Error = overtaken()): void {
    if (this.#status !== 'queued') void this.#scan?.close()
    this.#status = 'closed'
    for (const command of this.#commands.splice(0)) {
      if (command.kind === 'next') this.#owner.onIteratorError(command.id, reason)
    }
    this.#changeDemand(-this.#demandedBytes)
  }

  /** However little is asked for, a step reads as much as it does. */
  #cost(bytes: number): number {
    return Math.max(bytes, this.options.stepBytes)
  }

  #changeDemand(bytes: number): void {
    this.#demandedBytes += bytes
    this.#owner.onDemandChange(bytes)
  }

  #work(): void {
    if (this.#status !== 'idle' || this.#commands.length === 0) return
    this.#status = 'queued'
    this.#queue.add(this)
  }

  /** Carries out one demand, and the seeks before it. */
  async step(turn: ScanTurn): Promise<boolean> {
    const scan = this.#scan as DatabaseScan
    const command = this.#commands.shift()
    if (command?.kind === 'seek') {
      await scan.seek(command.target)
      this.#ended = false
      this.#heldBack = undefined
    } else if (command !== undefined) {
      await this.#answer(scan, command.id, command.bytes, command.count, turn)
    }
    if (this.#isClosed) {
      await scan.close()
      return false
    }
    if (this.#commands.length > 0) return true
    this.#status = 'idle'
    return false
  }

  get #isClosed(): boolean {
    return this.#status === 'closed'
  }

  async #answer(
    scan: DatabaseScan,
    id: number,
    bytes: number,
    count: number,
    turn: ScanTurn
  ): Promise<void> {
    let answer: Entries | Error
    try {
      const entries = await this.#read(scan, Math.min(bytes, turn.answerBytes), count, turn)
      answer = { entries, ended: this.#ended && this.#heldBack === undefined }
    } catch (error) {
      answer = error as Error
    }
    if (this.#isClosed) return this.#owner.onIteratorError(id, overtaken())
    if (answer instanceof Error) this.#owner.onIteratorError(id, answer)
    else this.#owner.onEntries(id, this, answer)
    // Last: it may let the next frame in, and that may close this iterator.
    if (!this.#isClosed) this.#changeDemand(-this.#cost(bytes))
  }

  /** An error behind entries already read waits for the next demand: they would be lost with it. */
  async #step(
    scan: DatabaseScan,
    wanted: number,
    hasEntries: boolean
  ): Promise<ScanStep | undefined> {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
    try {
      return await scan.step(wanted)
    } catch (error) {
      if (!hasEntries) throw error
      this.#failure = error as Error
      return undefined
    }
  }

  /** Reads a step, and while nobody else waits as many more as the demand allows. */
  async #read(
    scan: DatabaseScan,
    bytesMax: number,
    countMax: number,
    turn: ScanTurn
  ): Promise<readonly Entry[]> {
    const entries: Entry[] = []
    let bytes = 0
    if (this.#heldBack !== undefined) {
      entries.push(this.#heldBack)
      bytes = bytesOf(this.#heldBack)
      this.#heldBack = undefined
    }
    // Half a demand is answer enough: the rest of it would cost another way to the thread pool.
    while (!this.#ended && entries.length < countMax && bytes * 2 < bytesMax) {
      const wanted = this.#stepEntries(bytesMax - bytes, countMax - entries.length, turn)
      const step = await this.#step(scan, wanted, entries.length > 0)
      if (step === undefined) break
      bytes += this.#take(step, entries)
      if (!turn.isAlone || this.#isClosed) break
      if (!isLong(step)) continue
      scan.readAhead(this.#stepEntries(turn.stepBytes, LIMITS.scanStepEntries, turn))
    }
    // Only the last one can be that large. It fits a frame, but not together with others.
    if (entries.length > 1 && bytes > ENTRIES_BYTES_MAX) this.#heldBack = entries.pop()
    return entries
  }

  /** How many entries to read at once, for so many bytes. */
  #stepEntries(bytesMax: number, countMax: number, { stepBytes }: ScanTurn): number {
    const bytes = Math.min(bytesMax, stepBytes)
    // Beyond its own bound a step reads nothing, so that nothing has to be guessed.
    const isBound = this.options.stepBytes <= bytes
    const count = isBound ? countMax : Math.ceil(bytes / this.#entryBytes)
    return Math.min(count, countMax, LIMITS.scanStepEntries)
  }

  /** @returns the bytes that the step's entries take in a frame. */
  #take({ entries: read, bytes: contentBytes, ended }: ScanStep, entries: Entry[]): number {
    for (const entry of read) entries.push(entry)
    this.#ended = ended
    // With two lengths each, so that a multitude of empty values comes to an end too.
    const bytes = contentBytes + read.length * 8
    if (read.length > 0) this.#entryBytes = bytes / read.length
    return bytes
  }
}

function isLong({ entries, bytes }: ScanStep): boolean {
  return entries.length >= LONG_STEP_ENTRIES || bytes >= LONG_STEP_BYTES
}

function bytesOf([key, value]: Entry): number {
  return key.length + (value?.length ?? 0) + 8
}

/** Every demand is answered: a client would count one that is not as pending for ever. */
function overtaken(): Error {
  const error = new Error('The iterator was closed before it had answered')
  return Object.assign(error, { code: 'LEVEL_ITERATOR_NOT_OPEN' })
}

/** Whoever has as many open as {@link LIMITS.iteratorsMax} gets no other. */
export function tooManyIterators(): PartyError {
  const message = `This client has ${LIMITS.iteratorsMax} iterators open. Close some of them first.`
  return new PartyError('PARTYD_TOO_MANY_PENDING', message)
}
