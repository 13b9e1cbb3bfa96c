// What a client process can be told to do for a while. A task is data, so that it can be sent.

import type { Encoding, ScanMethod } from '../peers/peer.js'

export type Task = PointTask | BatchTask | GetManyTask | ScanTask | RangesTask | LargeWriteTask

/** Gets and puts of random keys. */
export interface PointTask {
  readonly kind: 'point'
  /** How many of 256 operations are puts: 0 for gets alone, 256 for puts alone. */
  readonly puts: number
  readonly sync?: boolean
  readonly encoding?: Encoding
}

/** Batches of puts of random keys; each put counts as an operation. */
export interface BatchTask {
  readonly kind: 'batch'
  readonly size: number
}

/** getMany of random keys; each key counts as an operation. */
export interface GetManyTask {
  readonly kind: 'getMany'
  readonly size: number
}

/** The whole database again and again; each entry counts as an operation. */
export interface ScanTask {
  readonly kind: 'scan'
  readonly method: ScanMethod
  readonly encoding: Encoding
  /** Whether keys of others may follow behind those of the data set. Default: false. */
  readonly mayHaveMore?: boolean
}

/** Short ranges that begin at random keys; each range counts as an operation. */
export interface RangesTask {
  readonly kind: 'ranges'
  readonly size: number
  readonly encoding: Encoding
}

/** Puts of a few keys of its own, behind those of the data set, with values of this size. */
export interface LargeWriteTask {
  readonly kind: 'writeLarge'
  readonly bytes: number
}

/** How long, and how much at a time. */
export interface Pace {
  /** Operations that one process keeps under way, over all of its connections. */
  readonly inFlight: number
  /** When to begin, by the clock of `Date.now()`, so that all processes begin together. */
  readonly startAt: number
  readonly durationMs: number
  readonly seed: number
}

/** What a process did. */
export interface TaskReport {
  readonly operations: number
  /** From the start to the end of the last operation. */
  readonly elapsedMs: number
  /** Processor time of this process, user and system. */
  readonly cpuMs: number
  /** Times of single operations at evenly spread ranks, in microseconds, ascending. */
  readonly latenciesUs: readonly number[]
}
