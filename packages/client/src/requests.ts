// The client's requests from the call to the answer: encoded at once, sent in order while there is
// a channel, numbered if they are writes, and kept for the next channel when this one is lost.

import {
  type Channel,
  FEATURES,
  type FrameReader,
  FrameWriter,
  isWrite,
  KIND,
  LIMITS,
  ProtocolError,
  RESULT,
  resultError,
  SEQUENCE_OFFSET,
  writeUint32At
} from '@partyd/shared'
import { decodeDone, decodeError } from './answers.js'
import { featureMissing, featureOf } from './features.js'
import { connectionLost, notOpen, operationName, tooManyPending } from './operation-errors.js'
import { type Decoder, type LinkTie, MORE, Request } from './request.js'
import { countLoss, fateOf, type Loss } from './request-fate.js'
import { RequestQueue } from './request-queue.js'
import { SentRequests } from './sent-requests.js'
import { Session } from './session.js'
import { Watches } from './watches.js'

/** Who finds channels for requests. */
export interface RequestsOwner {
  /** Somebody awaits something for which there is no channel. */
  onWanted(): void
  /** The first request, or iterator, is awaited. */
  onAwaited(): void
  /** Nobody awaits anything any more. */
  onQuiet(): void
}

export class Requests {
  readonly watches: Watches = new Watches()
  readonly #owner: RequestsOwner
  /** waiting: there is no channel, or it is being left · closed: there will be none. */
  #status: 'waiting' | 'sending' | 'closed' = 'waiting'
  #channel: Channel | undefined
  /** What the daemon can do; only an older one needs to be asked about. */
  #features: readonly string[] = FEATURES
  /** Counts the channels; iterators, snapshots and watches live on one of them. */
  #linkNumber = 0
  #session = new Session()

  readonly #writer = new FrameWriter()
  readonly #unsent = new RequestQueue()
  readonly #sent = new SentRequests()
  #nextResourceId = 1

  /** Operations that somebody awaits: as long as there are any, the process stays alive. */
  #awaited = 0

  constructor(owner: RequestsOwner) {
    this.#owner = owner
  }

  get session(): Session {
    return this.#session
  }

  get linkNumber(): number {
    return this.#linkNumber
  }

  get isAwaited(): boolean {
    return this.#awaited > 0
  }

  /** Whether everything that was sent on this channel has been answered. */
  get isSettled(): boolean {
    return this.#sent.size === 0
  }

  // Calls

  /** Begins a frame. The caller writes its body and calls `request` in the same turn. */
  begin(kind: number): FrameWriter {
    const writer = this.#writer
    writer.begin(kind, 0)
    if (isWrite(kind)) {
      // Sequence number and settledThrough, known when the frame is sent.
      writer.uint53(0)
      writer.uint53(0)
    }
    return writer
  }

  /** Sends the frame just begun, in the order of the calls, and resolves with its answer. */
  request<T>(decode: Decoder<T>): Promise<T> {
    this.hold()
    return new Promise((resolve, reject) => this.#submit(decode, resolve, reject, undefined))
  }

  /** The same for what lives on a link: fails when that is lost, and by itself keeps nothing alive. */
  requestOnLink<T>(decode: Decoder<T>, tie: LinkTie): Promise<T> {
    return new Promise((resolve, reject) => this.#submit(decode, resolve, reject, tie))
  }

  /** Sends the frame just begun, which has no answer; dropped if the link that it is for is gone. */
  post(tie: LinkTie): void {
    if (this.#status !== 'sending' && this.#unsent.isEmpty) return
    this.#submit(ignore, ignore, ignore, tie)
  }

  /** Whether what was tied to that link has ended with it. */
  isLost({ number }: LinkTie): boolean {
    return number !== 0 && (number !== this.#linkNumber || this.#status !== 'sending')
  }

  /** Sends at once what this turn has gathered: a turn that never awaits the daemon may be long. */
  flush(): void {
    this.#channel?.flush()
  }

  /** A number for an iterator or a snapshot. After 2^32 of them the first ones come again. */
  createResourceId(): number {
    const id = this.#nextResourceId
    this.#nextResourceId = id === 0xffff_ffff ? 1 : id + 1
    return id
  }

  /** Keeps the process alive, and a daemon wanted, until `release` is called as often. */
  hold(): void {
    if (this.#awaited++ > 0) return
    this.#channel?.ref()
    this.#owner.onAwaited()
    if (!this.#unsent.isEmpty) this.#owner.onWanted()
  }

  release(): void {
    if (--this.#awaited > 0) return
    this.#channel?.unref()
    this.#owner.onQuiet()
  }

  /** Asks the daemon for a sign of life. */
  ping(): void {
    this.begin(KIND.ping)
    this.#send(this.#createOwnRequest(KIND.ping))
  }

  #submit<T>(
    decode: Decoder<T>,
    resolve: (value: T) => void,
    reject: (error: Error) => void,
    tie: LinkTie | undefined
  ): void {
    const writer = this.#writer
    writer.end()
    const { chunk, start, position } = writer
    const kind = chunk[start + 8] as number
    const request = new Request(kind, chunk, start, position, decode, resolve, reject, tie)
    if (this.#unsent.isEmpty && this.#maySend(request as Request)) this.#send(request as Request)
    else this.#wait(request as Request)
  }

  #maySend(request: Request): boolean {
    if (this.#status !== 'sending' || this.#sent.size >= LIMITS.unansweredRequestsMax) return false
    // A write that is sent again has its place in the window already.
    if (!isWrite(request.kind) || request.sequence > 0) return true
    return this.#session.window.hasRoom(request.bytes)
  }

  #send(request: Request): void {
    if (this.#features !== FEATURES && !this.#isUnderstood(request)) return
    if (request.tie !== undefined && !this.#joinLink(request)) return
    const { chunk, start, end } = request
    if (isWrite(request.kind)) this.#number(request)
    if (hasAnswer(request.kind)) {
      this.#sent.add(request)
      writeUint32At(chunk, start + 4, request.id)
    }
    this.#channel?.send(chunk, start, end)
  }

  /** Fails what the daemon is too old for. */
  #isUnderstood(request: Request): boolean {
    const feature = featureOf(request)
    if (feature === undefined || this.#features.includes(feature)) return true
    this.#fail(request, featureMissing(request.kind, feature))
    return false
  }

  /** A write gets its number when it is first sent, so that unsent ones leave no gap. */
  #number(request: Request): void {
    const { window } = this.#session
    if (request.sequence === 0) request.sequence = window.take(request.bytes)
    const { sequence, chunk, start } = request
    for (let gap = window.takeGap(sequence); gap !== undefined; gap = window.takeGap(sequence)) {
      this.#sendSkip(gap)
    }
    window.stamp(chunk, start + SEQUENCE_OFFSET, sequence)
  }

  /** Takes the place of a write that nobody waits for any more. */
  #sendSkip(sequence: number): void {
    this.begin(KIND.skip)
    const skip = this.#createOwnRequest(KIND.skip)
    skip.sequence = sequence
    this.#send(skip)
  }

  /** The frame just begun, as a request whose answer nobody awaits. */
  #createOwnRequest(kind: number): Request {
    const writer = this.#writer
    writer.end()
    const { chunk, start, position } = writer
    const decode = kind === KIND.skip ? decodeDone : ignore
    const request = new Request(kind, chunk, start, position, decode, ignore, ignore, undefined)
    request.isAwaited = false
    return request as Request
  }

  /** Ties what is being opened to this link; false for what was opened on another. */
  #joinLink(request: Request): boolean {
    const tie = request.tie as LinkTie
    if (request.kind === tie.opener) tie.number = this.#linkNumber
    if (tie.number === this.#linkNumber) return true
    this.#fail(request, connectionLost(request.kind))
    return false
  }

  #wait(request: Request): void {
    if (this.#status === 'closed') return this.#fail(request, notOpen(request.kind))
    if (this.#unsent.isFull) return this.#fail(request, tooManyPending(request.kind))
    this.#unsent.push(request)
    if (this.#awaited > 0) this.#owner.onWanted()
  }

  #sendWaiting(): void {
    for (let next = this.#unsent.peek(); next !== undefined; next = this.#unsent.peek()) {
      if (!this.#maySend(next)) return
      this.#unsent.shift()
      this.#send(next)
    }
  }

  // Answers

  /** The reader is at an answer. @throws ProtocolError when it answers nothing. */
  onAnswer(reader: FrameReader): void {
    const request = this.#sent.get(reader.id)
    if (request === undefined) {
      throw new ProtocolError(`An answer to request ${reader.id}, which nobody made`)
    }
    if (reader.kind === KIND.error) {
      const error = decodeError(reader, request.kind)
      this.#onAnswered(request)
      request.reject(error)
    } else {
      const value = request.decode(reader, request)
      if (value === MORE) return
      this.#onAnswered(request)
      request.resolve(value)
    }
    if (!this.#unsent.isEmpty) this.#sendWaiting()
  }

  #onAnswered(request: Request): void {
    if (request.sequence > 0) {
      // A skip takes the number of a write whose bytes are out of the window already.
      const bytes = request.kind === KIND.skip ? 0 : request.bytes
      this.#session.window.settle(request.sequence, bytes)
    }
    this.#forget(request)
  }

  /** The request will not be answered any more. */
  #fail(request: Request, error: Error): void {
    if (request.sequence > 0) this.#session.window.abandon(request.bytes)
    this.#forget(request)
    request.reject(error)
  }

  #forget(request: Request): void {
    this.#sent.remove(request)
    if (request.isAwaited) this.release()
  }

  // Channels

  /**
   * Goes on with the session on a new channel, whose daemon has the writes up to `applied`.
   * @param features what both sides can do.
   */
  attach(
    channel: Channel,
    applied: number,
    results: ReadonlyMap<number, number>,
    features: readonly string[]
  ): void {
    this.#channel = channel
    const isUpToDate = FEATURES.every((feature) => features.includes(feature))
    this.#features = isUpToDate ? FEATURES : features
    this.#linkNumber++
    this.#session.window.resume(applied)
    if (this.#awaited === 0) channel.unref()
    this.#status = 'sending'
    this.#settleApplied(applied, results)
    this.#sendWaiting()
  }

  /** The answers to these writes were lost, but they are in the database. */
  #settleApplied(applied: number, results: ReadonlyMap<number, number>): void {
    const isApplied = ({ sequence }: Request): boolean => sequence > 0 && sequence <= applied
    for (const request of this.#unsent.take(isApplied)) {
      const result = results.get(request.sequence) ?? RESULT.ok
      const error = resultError(result, operationName(request.kind))
      this.#onAnswered(request)
      if (error === undefined) request.resolve(settledValue(request.kind, result))
      else request.reject(error)
    }
  }

  /** From here on requests wait for the next channel; what was sent is still answered. */
  leave(): void {
    if (this.#status === 'sending') this.#status = 'waiting'
  }

  /** Tells the daemon that it need not remember the session. */
  sendSettled(): void {
    const writer = this.#writer
    writer.begin(KIND.settled, 0)
    writer.uint53(this.#session.window.sentThrough)
    writer.end()
    this.#channel?.send(writer.chunk, writer.start, writer.position)
  }

  /** The channel is lost. What goes on is sent again on the next one, before everything else. */
  detach(loss: Loss): void {
    this.#channel = undefined
    this.leave()
    this.#unsent.unshift(this.#sent.drain().filter((request) => this.#survives(request, loss)))
  }

  /** Whether a request that was under way goes on; if not, it ends here. */
  #survives(request: Request, loss: Loss): boolean {
    countLoss(request, loss)
    const fate = fateOf(request, loss)
    if (fate === 'forgotten') this.#forget(request)
    else if (fate !== 'again') this.#fail(request, fate)
    return fate === 'again'
  }

  /**
   * Begins a session without a past. What waits and had a number, from an earlier channel, is known
   * not to be in the database.
   */
  beginSession(): void {
    this.#session = new Session()
    for (const request of this.#unsent) request.sequence = 0
  }

  // Failing

  /** Fails every request that waits. */
  failUnsent(createError: (request: Request) => Error): void {
    for (const request of this.#unsent.drain()) this.#fail(request, createError(request))
  }

  /** Fails the writes that were sent on an earlier channel and never answered. */
  failNumbered(createError: (request: Request) => Error): void {
    for (const request of this.#unsent.take(({ sequence }) => sequence > 0)) {
      this.#fail(request, createError(request))
    }
  }

  *pending(): Iterable<Request> {
    yield* this.#sent
    yield* this.#unsent
  }

  /** Fails those that have been in trouble since before `horizon`. */
  expire(horizon: number, createError: (request: Request) => Error): void {
    const isOverdue = ({ troubledAt, isExpired }: Request): boolean =>
      !isExpired && troubledAt !== 0 && troubledAt <= horizon
    // All at once: a million may wait, and taking them out one by one would go through all for each.
    for (const request of this.#unsent.take(isOverdue)) this.#fail(request, createError(request))
    for (const request of [...this.#sent].filter(isOverdue)) {
      this.#expire(request, createError(request))
    }
  }

  /** Nobody waits for it any more. It was sent on this channel, so its answer may still come. */
  #expire(request: Request, error: Error): void {
    request.isExpired = true
    request.reject(error)
    if (request.isAwaited) this.release()
    request.isAwaited = false
  }

  /** Fails what is left, and whatever comes. */
  close(): void {
    this.#status = 'closed'
    for (const request of [...this.#sent.drain(), ...this.#unsent.drain()]) {
      this.#fail(request, notOpen(request.kind))
    }
  }
}

function ignore(): void {}

function hasAnswer(kind: number): boolean {
  return (
    kind !== KIND.iteratorSeek &&
    kind !== KIND.iteratorClose &&
    kind !== KIND.snapshotClose &&
    kind !== KIND.watchClose
  )
}

/** What a write that has succeeded resolves with. */
function settledValue(kind: number, result: number): boolean | undefined {
  return kind === KIND.atomic ? result === RESULT.ok : undefined
}
