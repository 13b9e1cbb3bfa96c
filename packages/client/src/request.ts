// One request of the client, from its encoded frame to its answer.

import type { FrameReader } from '@partyd/shared'

/** Where a decoder keeps what earlier frames of an answer held. */
export interface AnswerParts {
  parts: unknown[] | undefined
}

/** Reads an answer's body. MORE: further frames of the answer follow. */
export type Decoder<T> = (reader: FrameReader, parts: AnswerParts) => T | typeof MORE

export const MORE: unique symbol = Symbol('more')

/** The link an iterator, a snapshot or a watch lives on: its frames make no sense on another one. */
export interface LinkTie {
  /** The kind of frame that ties it to the link it is sent on. */
  readonly opener: number
  /** Number of the link, 0 before it was opened on one. */
  number: number
  /** What became of the demands since its last entry: each is a request anew, and counts on from here. */
  troubledAt: number
  deaths: number
}

/**
 * The frame waits in its encoded form, so that sending it, or sending it again, costs a write and
 * nothing else. A plain class with every field set at once: one is made for every operation.
 */
export class Request<T = unknown> implements AnswerParts {
  readonly kind: number
  readonly chunk: Buffer
  readonly start: number
  readonly end: number
  readonly decode: Decoder<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
  /** Undefined for everything but iterators, watches and what is read from a snapshot. */
  readonly tie: LinkTie | undefined
  /** Assigned whenever the frame is put on a socket; 0 while it waits, and where there is no answer. */
  id = 0
  /** Tells which of two was sent first. */
  order = 0
  /** For writes: assigned when it is first put on a socket, so that unsent writes leave no gap. */
  sequence = 0
  parts: unknown[] | undefined = undefined
  /** Since when no daemon could be had for it, or the one it was sent to was silent; 0 if all is well. */
  troubledAt = 0
  /** Daemons that died while it was under way. */
  deaths = 0
  /** Whether it failed for want of an answer that may still come. */
  isExpired = false
  /** Whether it keeps the process alive. With a link of its own it leaves that to whoever awaits it. */
  isAwaited: boolean

  constructor(
    kind: number,
    chunk: Buffer,
    start: number,
    end: number,
    decode: Decoder<T>,
    resolve: (value: T) => void,
    reject: (error: Error) => void,
    tie: LinkTie | undefined
  ) {
    this.kind = kind
    this.chunk = chunk
    this.start = start
    this.end = end
    this.decode = decode
    this.resolve = resolve
    this.reject = reject
    this.tie = tie
    this.isAwaited = tie === undefined
    if (tie === undefined) return
    this.troubledAt = tie.troubledAt
    this.deaths = tie.deaths
  }

  get bytes(): number {
    return this.end - this.start
  }
}
