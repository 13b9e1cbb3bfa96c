// The daemon as the client sees it: found, connected, lost, and found again. Reads top-down as a
// connection's life; what travels on it is in requests.ts.

import {
  Channel,
  type ChannelOwner,
  createHello,
  type DatabaseOptions,
  type FrameReader,
  type Hello,
  KIND,
  type LevelError,
  PartyError,
  ProtocolError
} from '@partyd/shared'
import { decodeError } from './answers.js'
import { ConnectAttempt, type Link } from './connecting/connector.js'
import { compareOptions } from './daemon-options.js'
import { Liveness, type LivenessOwner } from './liveness.js'
import {
  connectionLost,
  databaseReplaced,
  inDoubt,
  lastWords,
  unreachable
} from './operation-errors.js'
import type { ResolvedOptions } from './options.js'
import { PACKAGE_VERSION } from './package-version.js'
import { isIncomprehension } from './request-fate.js'
import { Requests, type RequestsOwner } from './requests.js'

export class Connection implements ChannelOwner, LivenessOwner, RequestsOwner {
  readonly requests: Requests
  readonly #directory: string
  #options: ResolvedOptions
  /** The open options that the user gave; undefined once told that the daemon has others. */
  #wanted: DatabaseOptions | undefined
  readonly #onWarning: (warning: PartyError) => void
  readonly #liveness: Liveness
  /** idle: no daemon, and no need of one · leaving: the daemon said goodbye and still answers. */
  #status: 'idle' | 'connecting' | 'open' | 'leaving' | 'closed' = 'idle'
  /** The connect under way. */
  #attempt: ConnectAttempt | undefined
  #channel: Channel | undefined
  /** The daemon last connected to. */
  #link: Link | undefined
  #whenQuiet: (() => void)[] = []

  /** @param onWarning told of what the user should know although nothing has failed. */
  constructor(
    directory: string,
    options: ResolvedOptions,
    onWarning: (warning: PartyError) => void
  ) {
    this.#directory = directory
    this.#options = options
    this.#wanted = options.database
    this.#onWarning = onWarning
    this.#liveness = new Liveness(options.retryTimeoutMs, this)
    this.requests = new Requests(this)
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

  // Finding a daemon

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
    return this.#options.retry
      ? this.requests.session.createHello()
      : createHello('once', PACKAGE_VERSION)
  }

  /** Goes on with the session on a new link, if the daemon knows it; else begins another. */
  #take(link: Link): void {
    // Without retry nothing outlives a link, and the daemon counts from the beginning.
    if (!this.#options.retry) this.requests.beginSession()
    const { session } = this.requests
    const verdict = session.judge(link.welcome)
    this.#link = link
    if (verdict.status === 'restart') {
      link.socket.destroy()
      if (verdict.code === 'PARTYD_DATABASE_REPLACED') {
        this.#onWarning(databaseReplaced(this.#directory, link))
      }
      this.requests.failNumbered((request) => inDoubt(verdict, request, link))
      this.requests.beginSession()
      return
    }
    this.#lookAtOptions(link)
    session.generation = link.welcome.generation
    this.#channel = new Channel(link.socket, this)
    this.#status = 'open'
    this.#liveness.onLink()
    const { features } = link.welcome
    this.requests.attach(this.#channel, verdict.applied, verdict.results, features)
  }

  #lookAtOptions(link: Link): void {
    const difference = this.#wanted && compareOptions(this.#wanted, link)
    if (difference === undefined) return
    this.#wanted = undefined
    this.#onWarning(difference)
  }

  // Being connected

  onFrame(reader: FrameReader): void {
    this.#liveness.hear()
    if (reader.id === 0) return this.#onNotice(reader)
    this.requests.onAnswer(reader)
    if (this.#status === 'leaving' && this.requests.isSettled) this.#leave()
  }

  isSaturated(): boolean {
    return false
  }

  /** What the daemon says unasked. */
  #onNotice(reader: FrameReader): void {
    switch (reader.kind) {
      case KIND.goodbye:
        return this.#onGoodbye()
      case KIND.generation:
        this.requests.session.generation = reader.tailText()
        return
      case KIND.changes:
        return this.requests.watches.onChanges(reader)
      case KIND.watchReset:
        return this.requests.watches.onDropped(reader)
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
    this.requests.leave()
    if (this.requests.isSettled) this.#leave()
  }

  /** Everything is answered: the daemon need not remember this session, and the next has no past. */
  #leave(): void {
    this.requests.sendSettled()
    this.#channel?.end()
    this.requests.beginSession()
  }

  // Losing a daemon, and finding the next

  onClose(lost: Error | undefined): void {
    this.#channel = undefined
    if (this.#status === 'closed') return
    this.#status = 'idle'
    const cause = lost ?? this.#hearLastWords()
    this.requests.detach({
      link: this.#link,
      cause,
      at: performance.now(),
      retry: this.#options.retry
    })
    this.requests.watches.onLost(
      isIncomprehension(cause) ? cause : connectionLost(KIND.watchOpen, this.#link, cause)
    )
    if (this.requests.isAwaited) void this.#reconnect()
  }

  /** One that did not end well has said why, unless it was killed: its users should know. */
  #hearLastWords(): PartyError | undefined {
    const words = this.#link && lastWords(this.#directory, this.#link)
    if (words !== undefined) this.#onWarning(words)
    return words
  }

  onWanted(): void {
    if (this.#status === 'idle') void this.#reconnect()
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
      this.requests.failUnsent((request) => unreachable(request, cause))
    } else if (this.requests.isAwaited) {
      // Cancelled because nobody waited; now somebody does.
      void this.#reconnect()
    }
  }

  // Operations that take too long

  get isConnected(): boolean {
    return this.#channel !== undefined
  }

  get isAwaited(): boolean {
    return this.requests.isAwaited
  }

  onAwaited(): void {
    this.#liveness.start()
  }

  ping(): void {
    this.requests.ping()
  }

  onSilent(): void {
    this.#onWarning(this.#silence())
  }

  onTrouble(now: number): void {
    for (const request of this.requests.pending()) request.troubledAt ||= now
  }

  onRecovered(): void {
    for (const request of this.requests.pending()) request.troubledAt = 0
  }

  expire(horizon: number): void {
    const known = this.#channel === undefined ? this.#attempt?.failure : undefined
    this.requests.expire(horizon, (request) => unreachable(request, known ?? this.#silence()))
  }

  #silence(): PartyError {
    const endpoint = this.#link?.endpoint
    const pid = this.#link?.welcome.pid
    const message = `The daemon (pid ${pid}) of ${this.#directory} is connected but does not answer. It may be stopped or overloaded; resume it, or stop it.`
    return new PartyError('PARTYD_UNRESPONSIVE', message, { path: this.#directory, endpoint, pid })
  }

  // The end

  onQuiet(): void {
    // A daemon that nobody waits for is not looked for.
    if (this.#status === 'connecting') this.#attempt?.cancel()
    for (const resolve of this.#whenQuiet.splice(0)) resolve()
  }

  /** Waits for every pending operation, as an embedded database does, then says goodbye. */
  async close(): Promise<void> {
    if (this.requests.isAwaited) {
      await new Promise<void>((resolve) => this.#whenQuiet.push(resolve))
    }
    const isOpen = this.#status === 'open'
    this.#status = 'closed'
    this.#liveness.stop()
    this.#attempt?.cancel()
    this.requests.close()
    if (isOpen) this.requests.sendSettled()
    this.#channel?.end()
  }
}

/** The signal cancels `open()` and nothing later, and the database that `open()` made exists by now. */
function forReconnecting(options: ResolvedOptions): ResolvedOptions {
  return { ...options, signal: undefined, database: { ...options.database, errorIfExists: false } }
}
