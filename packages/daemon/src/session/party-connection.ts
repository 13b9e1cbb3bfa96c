// A connection of a party client from its first byte to its end: greeting, session or control,
// goodbye, close.

import type { Socket } from 'node:net'
import {
  Channel,
  type ChannelOwner,
  type FrameReader,
  FrameWriter,
  type GoodbyeReason,
  type Hello,
  KIND,
  LIMITS,
  PartyError,
  PREFACE,
  ProtocolError,
  parseConfiguration,
  toWireError
} from '@partyd/shared'
import type { ClientDescription, Connection, ConnectionHost, StopRequester } from './connection.js'
import { Greeting, type GreetingOwner } from './greeting.js'
import { PartySession, unknownKind } from './party-session.js'
import type { SessionState } from './session-state.js'

export class PartyConnection implements Connection, ChannelOwner, GreetingOwner, StopRequester {
  readonly #host: ConnectionHost
  readonly #channel: Channel
  readonly #writer = new FrameWriter()
  /** settled: the client needs no more answers · stopping: waits for the answer to its stop. */
  #status: 'greeting' | 'session' | 'settled' | 'control' | 'stopping' | 'closed' = 'greeting'
  readonly #greeting: Greeting
  /** Of a client that is welcome. */
  #hello: Hello | undefined
  readonly #openedAt = performance.now()
  #session: PartySession | undefined
  /** The session's state, for clients that retry. */
  #state: SessionState | undefined
  #stopId = 0

  constructor(socket: Socket, host: ConnectionHost) {
    this.#host = host
    socket.write(PREFACE)
    this.#channel = new Channel(socket, this)
    this.#channel.reader.frameBytesMax = LIMITS.helloBytesMax
    this.#greeting = new Greeting(host, this)
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
        return this.#greeting.onFrame(reader)
      case 'session':
        if (reader.kind === KIND.settled) return this.#onSettled(reader)
        if (reader.kind === KIND.ping) return this.sendObject(KIND.info, reader.id, {})
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
    if (error instanceof PartyError) this.sendObject(KIND.error, 0, toWireError(error))
  }

  onWelcome(hello: Hello, state: SessionState | undefined): void {
    this.#hello = hello
    this.#channel.reader.frameBytesMax = LIMITS.frameBytesMax
    if (hello.mode === 'control') {
      this.#status = 'control'
      return
    }
    this.#state = state
    this.#session = new PartySession(this.#host.engine, this.#channel, state)
    this.#status = 'session'
    this.#host.onClientChange()
  }

  isSaturated(): boolean {
    return this.#session?.isSaturated ?? false
  }

  onClose(error: Error | undefined): void {
    if (this.#status === 'closed') return
    this.#status = 'closed'
    this.#greeting.stop()
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
    this.sendObject(KIND.goodbye, 0, message === undefined ? { reason } : { reason, message })
    this.#channel.flush()
  }

  /** Tells the peer that asked for it that the daemon has let go of the lock. */
  answerStop(): void {
    this.sendObject(KIND.info, this.#stopId, { stopped: true, pid: this.#host.identity.pid })
    this.#channel.end()
  }

  end(): void {
    this.#channel.end()
  }

  destroy(): void {
    this.#channel.destroy()
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
        return this.sendObject(KIND.info, reader.id, {})
      case KIND.status:
        return this.#sendStatus(reader.id)
      case KIND.configure:
        return this.#onConfigure(reader)
      case KIND.stop:
        this.#stopId = reader.id
        this.#status = 'stopping'
        return this.#host.onStopRequest(this)
      default:
        return this.sendObject(KIND.error, reader.id, toWireError(unknownKind(reader.kind)))
    }
  }

  #onConfigure(reader: FrameReader): void {
    const { id } = reader
    this.sendObject(KIND.info, id, this.#host.configure(parseConfiguration(reader.tailText())))
  }

  #sendStatus(id: number): void {
    this.sendObject(KIND.info, id, this.#host.describeStatus())
  }

  /** Of the greeting, too. */
  sendObject(kind: number, id: number, value: object): void {
    const writer = this.#writer
    writer.begin(kind, id)
    writer.tail(JSON.stringify(value))
    writer.end()
    this.#channel.send(writer.chunk, writer.start, writer.position)
  }
}
