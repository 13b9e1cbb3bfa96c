// A connection of a party client from its hello to its end: session or control, goodbye, close.

import type { Socket } from 'node:net'
import {
  adviseOnRights,
  Channel,
  type ChannelOwner,
  type Configuration,
  currentPlatform,
  FEATURES,
  type FrameReader,
  FrameWriter,
  type GoodbyeReason,
  type Hello,
  KIND,
  LIMITS,
  PartyError,
  PREFACE,
  PROTOCOL_VERSIONS,
  type ProofExchange,
  ProtocolError,
  parseConfiguration,
  parseHello,
  TIMES,
  toWireError,
  type Welcome
} from '@partyd/shared'
import type { Credential } from '../credential.js'
import type { ClientDescription, Connection } from './connection.js'
import type { Engine } from './engine.js'
import { PartySession, unknownKind } from './party-session.js'
import type { SessionHolder } from './session-registry.js'
import type { SessionState } from './session-state.js'

/** The daemon as its connections see it. */
export interface ConnectionHost {
  readonly engine: Engine
  readonly credential: Credential
  isServing(): boolean
  /** Whether a client that has just come can be served: not when the daemon is on its way out. */
  welcomeClient(): boolean
  /** The fields of a welcome that are the daemon's own. */
  readonly identity: Pick<Welcome, 'version' | 'instanceId' | 'pid' | 'mode' | 'options'>
  describeStatus(): object
  /** @returns what is in force from then on. */
  configure(configuration: Configuration): Configuration
  /** A client has become one, or has said that it needs no more answers. */
  onClientChange(): void
  /** The peer wants the daemon to stop and keeps the connection open to hear when the lock is free. */
  onStopRequest(connection: PartyConnection): void
  onClosed(connection: Connection, error: Error | undefined): void
}

export class PartyConnection implements Connection, ChannelOwner, SessionHolder {
  readonly #host: ConnectionHost
  readonly #channel: Channel
  readonly #writer = new FrameWriter()
  /** resuming: its session is being found · settled: the client needs no more answers · stopping: waits for the answer to its stop. */
  #status: 'greeting' | 'resuming' | 'session' | 'settled' | 'control' | 'stopping' | 'closed' =
    'greeting'
  /** Of the client's proof and ours, if it has asked for ours. */
  #exchange: ProofExchange | undefined
  #hello: Hello | undefined
  readonly #openedAt = performance.now()
  #session: PartySession | undefined
  /** The session's state, for clients that retry. */
  #state: SessionState | undefined
  #stopId = 0
  readonly #helloTimer: NodeJS.Timeout

  constructor(socket: Socket, host: ConnectionHost) {
    this.#host = host
    socket.write(PREFACE)
    this.#channel = new Channel(socket, this)
    this.#channel.reader.frameBytesMax = LIMITS.helloBytesMax
    this.#helloTimer = setTimeout(() => this.destroy(), TIMES.hello)
  }

  get isClient(): boolean {
    return this.#status === 'session'
  }

  get description(): ClientDescription {
    const { mode = 'control', pid, version } = this.#hello ?? {}
    return { mode, pid, version, connectedMs: Math.round(performance.now() - this.#openedAt) }
  }

  get isStopping(): boolean {
    return this.#status === 'stopping'
  }

  onFrame(reader: FrameReader): void {
    switch (this.#status) {
      case 'greeting':
        return reader.kind === KIND.challenge && this.#exchange === undefined
          ? this.#onChallenge(reader)
          : this.#onHello(reader)
      case 'session':
        if (reader.kind === KIND.settled) return this.#onSettled(reader)
        if (reader.kind === KIND.ping) return this.#sendObject(KIND.info, reader.id, {})
        if (reader.kind === KIND.status) return this.#sendStatus(reader.id)
        return (this.#session as PartySession).onFrame(reader)
      case 'control':
        return this.#onControl(reader)
      default:
        throw new ProtocolError(`A frame of kind ${reader.kind} came after the last one`)
    }
  }

  /** The peer shall learn why the connection ends. */
  onFault(error: Error): void {
    if (error instanceof PartyError) this.#sendObject(KIND.error, 0, toWireError(error))
  }

  isSaturated(): boolean {
    return this.#session?.isSaturated ?? false
  }

  onClose(error: Error | undefined): void {
    if (this.#status === 'closed') return
    this.#status = 'closed'
    clearTimeout(this.#helloTimer)
    void this.#closeSession()
    this.#host.onClosed(this, error)
  }

  /** A later connection of the same client has come. */
  async giveUpSession(): Promise<void> {
    this.destroy()
    await this.#session?.close()
  }

  /** Lets go of the session once its writes are in: its record then tells all there is to know. */
  async #closeSession(): Promise<void> {
    await this.#session?.close()
    if (this.#state !== undefined) this.#host.engine.sessions.release(this.#state, this)
  }

  sayGeneration(generation: string): void {
    if (this.#status !== 'session') return
    this.#writer.begin(KIND.generation, 0)
    this.#writer.tail(generation)
    this.#writer.end()
    this.#channel.send(this.#writer.chunk, this.#writer.start, this.#writer.position)
  }

  sayGoodbye(reason: GoodbyeReason, message?: string): void {
    if (this.#status !== 'session') return
    this.#sendObject(KIND.goodbye, 0, message === undefined ? { reason } : { reason, message })
    this.#channel.flush()
  }

  /** Tells the peer that asked for it that the daemon has let go of the lock. */
  answerStop(): void {
    this.#sendObject(KIND.info, this.#stopId, { stopped: true, pid: this.#host.identity.pid })
    this.#channel.end()
  }

  end(): void {
    this.#channel.end()
  }

  destroy(): void {
    this.#channel.destroy()
  }

  #onChallenge(reader: FrameReader): void {
    this.#exchange = this.#host.credential.exchange(reader.tailText())
    this.#sendObject(KIND.proof, 0, this.#exchange.answer)
  }

  #onHello(reader: FrameReader): void {
    if (reader.kind !== KIND.hello) {
      throw new ProtocolError(`The first frame is of kind ${reader.kind}, not a hello`)
    }
    const hello = parseHello(reader.tailText())
    this.#hello = hello
    clearTimeout(this.#helloTimer)
    const isProven = this.#exchange?.isProven(hello.proof) ?? false
    if (!isProven && this.#host.credential.isNeeded) throw unproven(hello)
    const isWelcome = hello.mode === 'control' ? this.#host.isServing() : this.#host.welcomeClient()
    if (!isWelcome) return this.#sayStop()
    const proto = highestCommon(hello.proto)
    if (proto === undefined) throw incompatible(hello)
    this.#channel.reader.frameBytesMax = LIMITS.frameBytesMax
    if (hello.mode === 'retry') {
      this.#status = 'resuming'
      void this.#resume(hello, proto)
      return
    }
    this.#sendObject(KIND.welcome, 0, this.#welcome(hello, proto))
    if (hello.mode === 'control') this.#status = 'control'
    else this.#begin()
  }

  /** Answers the hello once everything that the session had put into the commit queue is in. */
  async #resume(hello: Hello, proto: number): Promise<void> {
    try {
      this.#state = await this.#host.engine.sessions.take(hello, this)
    } catch (error) {
      return this.#refuse(error as Error)
    }
    if (this.#status !== 'resuming') return this.#closeSession()
    // A stop may have come while the session was being found: its goodbye went to clients only.
    if (!this.#host.welcomeClient()) return this.#sayStop()
    this.#sendObject(KIND.welcome, 0, this.#welcome(hello, proto))
    this.#begin()
  }

  #sayStop(): void {
    this.#sendObject(KIND.goodbye, 0, { reason: 'stop' })
    this.end()
  }

  #refuse(error: Error): void {
    if (this.#status !== 'resuming') return
    this.#sendObject(KIND.error, 0, toWireError(error, { operation: 'hello' }))
    this.end()
  }

  #begin(): void {
    this.#session = new PartySession(this.#host.engine, this.#channel, this.#state)
    this.#status = 'session'
    this.#host.onClientChange()
  }

  #welcome(hello: Hello, proto: number): Welcome {
    return {
      ...this.#host.identity,
      proto,
      features: FEATURES.filter((feature) => hello.features.includes(feature)),
      nonce: hello.nonce,
      generation: this.#host.engine.sessions.generation,
      applied: this.#state?.hasRecord ? this.#state.applied : null,
      results: this.#state?.results ?? []
    }
  }

  /** The client has all its answers: there is no reason to remember it, nor to stay for it. */
  #onSettled(reader: FrameReader): void {
    reader.uint53() // sentThrough: everything that was sent has been received, for it came before.
    reader.finish()
    this.#status = 'settled'
    void this.#session?.close()
    if (this.#state !== undefined) this.#host.engine.sessions.remove(this.#state, this)
    this.#host.onClientChange()
    this.end()
  }

  #onControl(reader: FrameReader): void {
    switch (reader.kind) {
      case KIND.ping:
        return this.#sendObject(KIND.info, reader.id, {})
      case KIND.status:
        return this.#sendStatus(reader.id)
      case KIND.configure:
        return this.#onConfigure(reader)
      case KIND.stop:
        this.#stopId = reader.id
        this.#status = 'stopping'
        return this.#host.onStopRequest(this)
      default:
        return this.#sendObject(KIND.error, reader.id, toWireError(unknownKind(reader.kind)))
    }
  }

  #onConfigure(reader: FrameReader): void {
    const { id } = reader
    this.#sendObject(KIND.info, id, this.#host.configure(parseConfiguration(reader.tailText())))
  }

  #sendStatus(id: number): void {
    this.#sendObject(KIND.info, id, this.#host.describeStatus())
  }

  #sendObject(kind: number, id: number, value: object): void {
    const writer = this.#writer
    writer.begin(kind, id)
    writer.tail(JSON.stringify(value))
    writer.end()
    this.#channel.send(writer.chunk, writer.start, writer.position)
  }
}

function highestCommon([lowest, highest]: readonly [number, number]): number | undefined {
  const common = Math.min(highest, PROTOCOL_VERSIONS[1])
  return common >= Math.max(lowest, PROTOCOL_VERSIONS[0]) ? common : undefined
}

function unproven({ version }: Hello): PartyError {
  return new PartyError(
    'PARTYD_PERMISSION',
    `A client (version ${version}) did not prove that it knows partyd.token, as is needed where other users could listen, too. Update its package.${adviseOnRights(currentPlatform())}`,
    { pid: process.pid }
  )
}

function incompatible({ proto, version }: Hello): PartyError {
  return new PartyError(
    'PARTYD_INCOMPATIBLE',
    `A client (version ${version}) speaks protocol ${proto.join(' to ')}, this daemon ${PROTOCOL_VERSIONS.join(' to ')}. Update the older package, or stop the daemon.`,
    { pid: process.pid }
  )
}
