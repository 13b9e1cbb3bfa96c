// Fairness between scans: one large step at a time in the thread pool, or a few small ones, in turn.
// Six scanners that read at will take a point read's 99th percentile from 0.35 to 34 ms.

import { LIMITS } from '@partyd/shared'

/** What a scan may do in its turn, as things are when it asks: before each step. */
export interface ScanTurn {
  /** Whether no other scan waits or reads, so that this one may go on to its next step. */
  readonly isAlone: boolean
  /** Bytes that one step may read, as far as its iterator reads so many. */
  readonly stepBytes: number
  /** Bytes that one answer may hold. */
  readonly answerBytes: number
}

/** A scan with entries to read. */
export interface Scan {
  /** Bytes that its next step will read, as far as can be told. */
  readonly stepBytes: number
  /**
   * Reads once. Never rejects: an error is the scan's own to report.
   * @returns whether it wants another turn.
   */
  step(turn: ScanTurn): Promise<boolean>
}

/** Steps at a time: the thread pool has four threads, and one is left to reads by key and to writes. */
const STEPS_MAX = 3

export class ScanQueue implements ScanTurn {
  readonly #hasReaders: () => boolean
  readonly #waiting: Scan[] = []
  #running = 0
  #runningBytes = 0

  /**
   * @param hasReaders whether there are reads by key, which wait for whatever a scan does in one go:
   * converting what a step has read, and encoding an answer.
   */
  constructor(hasReaders: () => boolean) {
    this.#hasReaders = hasReaders
  }

  get isAlone(): boolean {
    return this.#waiting.length === 0 && this.#running === 1
  }

  get stepBytes(): number {
    if (!this.isAlone) return LIMITS.scanStepBytes
    return this.#hasReaders() ? LIMITS.scanStepBesideReadsBytes : LIMITS.scanDemandBytesMax
  }

  get answerBytes(): number {
    return this.#hasReaders() ? LIMITS.scanAnswerBesideReadsBytes : LIMITS.scanDemandBytesMax
  }

  /** Gives the scan its turn, and further ones for as long as it wants. */
  add(scan: Scan): void {
    this.#waiting.push(scan)
    this.#admit()
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (!this.#hasRoom(next)) return
      this.#waiting.shift()
      void this.#run(next)
    }
  }

  #hasRoom({ stepBytes }: Scan): boolean {
    if (this.#running === 0) return true
    return this.#running < STEPS_MAX && this.#runningBytes + stepBytes <= LIMITS.scanStepBytes
  }

  async #run(scan: Scan): Promise<void> {
    const bytes = scan.stepBytes
    this.#running++
    this.#runningBytes += bytes
    const wantsMore = await scan.step(this)
    this.#running--
    this.#runningBytes -= bytes
    if (wantsMore) this.#waiting.push(scan)
    this.#admit()
  }
}
