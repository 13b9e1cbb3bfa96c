// The daemon as the client sees it: sends requests in order, matches answers to them, and finds
// the next daemon when this one goes away. Reads top-down as a connection's life.

import {
  Channel,
  type ChannelOwner,
  createHello,
  type FrameReader,
  FrameWriter,
  fromWireError,
  type Hello,
  isWrite,
  KIND,
  type LevelError,
  LIMITS,
  PartyError,
  ProtocolError,
  parseObject,
  RESULT,
  resultError,
  SEQUENCE_OFFSET,
  TIMES,
  type WireError,
  writeUint32At
} from '@partyd/shared'
import { decodeDone } from './answers.js'
import { ConnectAttempt, type Link } from './connector.js'
import { Liveness, type LivenessOwner } from './liveness.js'
import {
  connectionLost,
  daemonLost,
  inDoubt,
  notOpen,
  operationName,
  tooManyPending,
  unreachable
} from './operation-errors.js'
import type { ResolvedOptions } from './options.js'
import { PACKAGE_VERSION } from './package-version.js'
import { type Decoder, type IteratorLink, MORE, Request } from './request.js'
import { RequestQueue } from './request-queue.js'
import { Session } from './session.js'

export class Connection implements ChannelOwner, LivenessOwner {
  readonly #directory: string
  #options: ResolvedOptions
  readonly #onWarning: (warning: PartyError) => void
  readonly #liveness: Liveness
  /** The connect under way. */
  #attempt: ConnectAttempt | undefined
  /** idle: no daemon, and no need of one · leaving: the daemon said goodbye and still answers. */
  #status: 'idle' | 'connecting' | 'open' | 'leaving' | 'closed' = 'idle'
  #channel: Channel | undefined
  /** Counts the links of this session; iterators live on one of them. */
  #linkNumber = 0
  #link: Link | undefined

  readonly #writer = new FrameWriter()
  readonly #unsent = new RequestQueue()
  /** Sent and not answered, by id, in the order sent. */
  readonly #sent = new Map<number, Request>()
  #session = new Session()
  #nextId = 1
  #nextIteratorId = 1

  /** Operations that somebody awaits: as long as there are any, the process stays alive. */
  #awaited = 0
  #whenQuiet: (() => void)[] = []

  /** @param onWarning told of what the user should know although nothing has failed. */
  constructor(
    directory: string,
    options: ResolvedOptions,
    onWarning: (warning: PartyError) => void
  ) {
    this.#directory = directory
    this.#options = options
    this.#onWarning = onWarning
    this.#liveness = new Liveness(options.retryTimeoutMs, this)
  }

  /** @throws the reason why there is no connection. */
  async open(): Promise<void> {
    this.#status = 'connecting'
    try {
      await this.#connect(this.#options.connectTimeoutMs)
    } catch (error) {
      this.#status = 'closed'
      throw error
    }
    this.#options = forReconnecting(this.#options)
  }

  // Requests

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

  /** The same for an iterator: fails when the link is lost, and by itself keeps nothing alive. */
  requestEntries<T>(decode: Decoder<T>, iterator: IteratorLink): Promise<T> {
    return new Promise((resolve, reject) => this.#submit(decode, resolve, reject, iterator))
  }

  /** Sends the frame just begun, which has no answer; dropped if the iterator's link is gone. */
  post(iterator: IteratorLink): void {
    if (this.#status !== 'open' && this.#unsent.isEmpty) return
    this.#submit(ignore, ignore, ignore, iterator)
  }

  createIteratorId(): number {
    const id = this.#nextIteratorId
    this.#nextIteratorId = id === 0xffff_ffff ? 1 : id + 1
    return id
  }

  /** Keeps the process alive, and a daemon wanted, until `release` is called as often. */
  hold(): void {
    if (this.#awaited++ > 0) return
    this.#channel?.ref()
    this.#liveness.start()
    if (this.#status === 'idle' && !this.#unsent.isEmpty) void this.#reconnect()
  }

  release(): void {
    if (--this.#awaited > 0) return
    this.#channel?.unref()
    // A daemon that nobody waits for is not looked for.
    if (this.#status === 'connecting') this.#attempt?.cancel()
    for (const resolve of this.#whenQuiet.splice(0)) resolve()
  }

  #submit<T>(
    decode: Decoder<T>,
    resolve: (value: T) => void,
    reject: (error: Error) => void,
    iterator: IteratorLink | undefined
  ): void {
    const writer = this.#writer
    writer.end()
    const { chunk, start, position } = writer
    const kind = chunk[start + 8] as number
    const request = new Request(kind, chunk, start, position, decode, resolve, reject, iterator)
    if (this.#unsent.isEmpty && this.#maySend(request as Request)) this.#send(request as Request)
    else this.#wait(request as Request)
  }

  #maySend(request: Request): boolean {
    if (this.#status !== 'open' || this.#sent.size >= LIMITS.unansweredRequestsMax) return false
    // A write that is sent again has its place in the window already.
    if (!isWrite(request.kind) || request.sequence > 0) return true
    return this.#session.window.hasRoom(request.bytes)
  }

  #send(request: Request): void {
    if (request.iterator !== undefined && !this.#joinLink(request)) return
    const { chunk, start, end } = request
    if (request.id === 0) {
      request.id = this.#createId()
      writeUint32At(chunk, start + 4, request.id)
    }
    if (isWrite(request.kind)) this.#number(request)
    if (hasAnswer(request.kind)) this.#sent.set(request.id, request)
    this.#channel?.send(chunk, start, end)
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
    const writer = this.begin(KIND.skip)
    writer.end()
    const { chunk, start, position } = writer
    const skip = new Request(
      KIND.skip,
      chunk,
      start,
      position,
      decodeDone,
      ignore,
      ignore,
      undefined
    )
    skip.isAwaited = false
    skip.sequence = sequence
    this.#send(skip as Request)
  }

  /** Ties an iterator that is being opened to this link; false for one that was opened on another. */
  #joinLink(request: Request): boolean {
    const iterator = request.iterator as IteratorLink
    if (request.kind === KIND.iteratorOpen) iterator.number = this.#linkNumber
    if (iterator.number === this.#linkNumber) return true
    this.#fail(request, connectionLost(request.kind))
    return false
  }

  #createId(): number {
    do {
      this.#nextId = this.#nextId === 0xffff_ffff ? 1 : this.#nextId + 1
    } while (this.#sent.has(this.#nextId))
    return this.#nextId
  }

  #wait(request: Request): void {
    if (this.#status === 'closed') return this.#fail(request, notOpen(request.kind))
    if (this.#unsent.isFull) return this.#fail(request, tooManyPending(request.kind))
    this.#unsent.push(request)
    if (this.#status === 'idle' && this.#awaited > 0) void this.#reconnect()
  }

  #sendWaiting(): void {
    for (let next = this.#unsent.peek(); next !== undefined; next = this.#unsent.peek()) {
      if (!this.#maySend(next)) return
      this.#unsent.shift()
      this.#send(next)
    }
  }

  // Answers

  onFrame(reader: FrameReader): void {
    this.#liveness.hear()
    if (reader.id === 0) return this.#onNotice(reader)
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
    if (this.#status === 'leaving' && this.#sent.size === 0) this.#leave()
  }

  isSaturated(): boolean {
    return false
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
    this.#sent.delete(request.id)
    if (request.isAwaited) this.release()
  }

  /** What the daemon says unasked. */
  #onNotice(reader: FrameReader): void {
    switch (reader.kind) {
      case KIND.goodbye:
        return this.#onGoodbye()
      case KIND.generation:
        this.#session.generation = reader.tailText()
        return
      case KIND.error:
        throw decodeError(reader, KIND.hello)
      default:
        throw new ProtocolError(`An unasked frame of kind ${reader.kind}`)
    }
  }

  /** From here on new requests wait for the next daemon; this one still answers what it was sent. */
  #onGoodbye(): void {
    if (this.#status !== 'open') return
    this.#status = 'leaving'
    if (this.#sent.size === 0) this.#leave()
  }

  /** Everything is answered: the daemon need not remember this session, and the next has no past. */
  #leave(): void {
    this.#sendSettled()
    this.#channel?.end()
    this.#beginSession()
  }

  #sendSettled(): void {
    const writer = this.#writer
    writer.begin(KIND.settled, 0)
    writer.uint53(this.#session.window.sentThrough)
    writer.end()
    this.#channel?.send(writer.chunk, writer.start, writer.position)
  }

  /** What waits and had a number, from an earlier link, is known not to be in the database. */
  #beginSession(): void {
    this.#session = new Session()
    for (const request of this.#unsent) request.sequence = 0
  }

  // Losing a daemon, and finding the next

  onClose(error: Error | undefined): void {
    this.#channel = undefined
    if (this.#status === 'closed') return
    this.#status = 'idle'
    const lost = [...this.#sent.values()]
    this.#sent.clear()
    this.#unsent.unshift(lost.filter((request) => this.#survives(request, error)))
    if (this.#awaited > 0) void this.#reconnect()
  }

  /** Whether a request that was under way goes on on the next daemon; if not, it fails here. */
  #survives(request: Request, error: Error | undefined): boolean {
    const now = performance.now()
    request.troubledAt ||= now
    request.deaths++
    if (request.iterator !== undefined) {
      request.iterator.troubledAt = request.troubledAt
      request.iterator.deaths = request.deaths
    }
    const isDeadly =
      request.deaths >= LIMITS.deathsMax && now - request.troubledAt >= TIMES.daemonLost
    if (isIncomprehension(error)) {
      this.#fail(request, unreachable(request, error))
    } else if (this.#options.retry && isDeadly) {
      this.#fail(request, daemonLost(request, request.deaths, this.#link, error))
    } else if (!this.#options.retry || request.iterator !== undefined) {
      this.#fail(request, connectionLost(request.kind, this.#link, error))
    } else if (request.kind === KIND.ping || request.kind === KIND.skip) {
      this.#forget(request)
    } else if (request.isExpired) {
      // It has been rejected. What its write took of the window is free again.
      this.#fail(request, connectionLost(request.kind))
    } else {
      return true
    }
    return false
  }

  async #reconnect(): Promise<void> {
    this.#status = 'connecting'
    try {
      // Each operation has a time limit of its own, and without any the attempt is cancelled.
      await this.#connect(Number.POSITIVE_INFINITY)
    } catch (error) {
      this.#giveUp(error as Error)
    }
  }

  /** Nobody can be had: every waiting operation learns why. The next one tries again. */
  #giveUp(cause: Error): void {
    if (this.#status !== 'connecting') return
    this.#status = 'idle'
    if ((cause as LevelError).code !== 'LEVEL_ABORTED') {
      for (const request of this.#unsent.drain()) this.#fail(request, unreachable(request, cause))
    } else if (this.#awaited > 0) {
      // Cancelled because nobody waited; now somebody does.
      void this.#reconnect()
    }
  }

  async #connect(timeoutMs: number): Promise<void> {
    do {
      const link = await this.#findDaemon(timeoutMs)
      if (this.#status !== 'connecting') return void link.socket.destroy()
      this.#take(link)
    } while (this.#status === 'connecting')
  }

  async #findDaemon(timeoutMs: number): Promise<Link> {
    this.#attempt = new ConnectAttempt({
      directory: this.#directory,
      options: this.#options,
      timeoutMs,
      lastMode: this.#link?.welcome.mode,
      createHello: () => this.#createHello()
    })
    try {
      return await this.#attempt.run()
    } finally {
      this.#attempt = undefined
    }
  }

  #createHello(): Hello {
    return this.#options.retry ? this.#session.createHello() : createHello('once', PACKAGE_VERSION)
  }

  /** Goes on with the session on a new link, if the daemon knows it; else begins another. */
  #take(link: Link): void {
    // Without retry nothing outlives a link, and the daemon counts from the beginning.
    if (!this.#options.retry) this.#session = new Session()
    const verdict = this.#session.judge(link.welcome)
    this.#link = link
    if (verdict.status === 'restart') {
      link.socket.destroy()
      this.#failNumbered((request) => inDoubt(verdict, request, link))
      this.#beginSession()
      return
    }
    this.#session.generation = link.welcome.generation
    this.#session.window.resume(verdict.applied)
    this.#linkNumber++
    this.#channel = new Channel(link.socket, this)
    if (this.#awaited === 0) this.#channel.unref()
    this.#status = 'open'
    this.#settleApplied(verdict.applied, verdict.results)
    this.#sendWaiting()
  }

  /** The answers to these writes were lost, but they are in the database. */
  #settleApplied(applied: number, results: ReadonlyMap<number, number>): void {
    for (const request of this.#unsent.take(
      ({ sequence }) => sequence > 0 && sequence <= applied
    )) {
      const error = resultError(
        results.get(request.sequence) ?? RESULT.ok,
        operationName(request.kind)
      )
      this.#onAnswered(request)
      if (error === undefined) request.resolve(undefined)
      else request.reject(error)
    }
  }

  /** Fails the writes that were sent on an earlier link and never answered. */
  #failNumbered(createError: (request: Request) => Error): void {
    for (const request of this.#unsent.take(({ sequence }) => sequence > 0)) {
      this.#fail(request, createError(request))
    }
  }

  // Operations that take too long

  get isConnected(): boolean {
    return this.#channel !== undefined
  }

  get isAwaited(): boolean {
    return this.#awaited > 0
  }

  ping(): void {
    const writer = this.begin(KIND.ping)
    writer.end()
    const { chunk, start, position } = writer
    const ping = new Request(KIND.ping, chunk, start, position, ignore, ignore, ignore, undefined)
    ping.isAwaited = false
    this.#send(ping as Request)
  }

  onSilent(): void {
    this.#onWarning(this.#silence())
  }

  onTrouble(now: number): void {
    for (const request of this.#pending()) request.troubledAt ||= now
  }

  onRecovered(): void {
    for (const request of this.#pending()) request.troubledAt = 0
  }

  expire(horizon: number): void {
    const isOverdue = ({ troubledAt, isExpired }: Request): boolean =>
      !isExpired && troubledAt !== 0 && troubledAt <= horizon
    const sent = [...this.#sent.values()].filter(isOverdue)
    // All at once: a million may wait, and taking them out one by one would go through all for each.
    const unsent = this.#unsent.take(isOverdue)
    if (sent.length === 0 && unsent.length === 0) return
    const known = this.#channel === undefined ? this.#attempt?.failure : undefined
    const cause = known ?? this.#silence()
    for (const request of unsent) this.#fail(request, unreachable(request, cause))
    for (const request of sent) this.#expire(request, cause)
  }

  *#pending(): Iterable<Request> {
    yield* this.#sent.values()
    yield* this.#unsent
  }

  /** Nobody waits for it any more. It was sent on this link, so its answer may still come. */
  #expire(request: Request, cause: PartyError): void {
    request.isExpired = true
    request.reject(unreachable(request, cause))
    if (request.isAwaited) this.release()
    request.isAwaited = false
  }

  #silence(): PartyError {
    const endpoint = this.#link?.endpoint
    const pid = this.#link?.welcome.pid
    const message = `The daemon (pid ${pid}) of ${this.#directory} is connected but does not answer. It may be stopped or overloaded; resume it, or stop it.`
    return new PartyError('PARTYD_UNRESPONSIVE', message, { path: this.#directory, endpoint, pid })
  }

  // The end

  /** Waits for every pending operation, as an embedded database does, then says goodbye. */
  async close(): Promise<void> {
    if (this.#awaited > 0) {
      await new Promise<void>((resolve) => this.#whenQuiet.push(resolve))
    }
    const isOpen = this.#status === 'open'
    this.#status = 'closed'
    this.#liveness.stop()
    this.#attempt?.cancel()
    for (const request of [...this.#sent.values(), ...this.#unsent.drain()]) {
      this.#fail(request, notOpen(request.kind))
    }
    if (isOpen) this.#sendSettled()
    this.#channel?.end()
  }
}

function ignore(): void {}

/** One side did not understand the other. The next daemon would not understand the same frames either. */
function isIncomprehension(error: Error | undefined): error is PartyError {
  const { code } = (error ?? {}) as Partial<PartyError>
  return code === 'PARTYD_PROTOCOL' || code === 'PARTYD_INCOMPATIBLE'
}

/** The signal cancels `open()` and nothing later, and the database that `open()` made exists by now. */
function forReconnecting(options: ResolvedOptions): ResolvedOptions {
  return { ...options, signal: undefined, database: { ...options.database, errorIfExists: false } }
}

function hasAnswer(kind: number): boolean {
  return kind !== KIND.iteratorSeek && kind !== KIND.iteratorClose
}

function decodeError(reader: FrameReader, kind: number): Error {
  const wire = parseObject(reader.tailText(), 'error') as unknown as WireError
  return fromWireError({ ...wire, operation: wire.operation ?? operationName(kind) })
}
