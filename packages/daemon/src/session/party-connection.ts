// A connection of a party client from its hello to its end: session or control, goodbye, close.

import type { Socket } from 'node:net'
import {
  Channel,
  type ChannelOwner,
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
  ProtocolError,
  parseHello,
  TIMES,
  toWireError,
  type Welcome
} from '@partyd/shared'
import type { Connection } from './connection.js'
import type { Engine } from './engine.js'
import { PartySession, unknownKind } from './party-session.js'

/** The daemon as its connections see it. */
export interface ConnectionHost {
  readonly engine: Engine
  readonly isDraining: boolean
  /** The fields of a welcome that are the daemon's own. */
  readonly identity: Pick<Welcome, 'version' | 'instanceId' | 'pid' | 'mode'>
  describeStatus(): object
  /** A client has become one, or has said that it needs no more answers. */
  onClientChange(): void
  /** The peer wants the daemon to stop and keeps the connection open to hear when the lock is free. */
  onStopRequest(connection: PartyConnection): void
  onClosed(connection: Connection, error: Error | undefined): void
}

export class PartyConnection implements Connection, ChannelOwner {
  readonly #host: ConnectionHost
  readonly #channel: Channel
  readonly #writer = new FrameWriter()
  /** settled: the client needs no more answers · stopping: waits for the answer to its stop. */
  #status: 'greeting' | 'session' | 'settled' | 'control' | 'stopping' | 'closed' = 'greeting'
  #session: PartySession | undefined
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

  get isStopping(): boolean {
    return this.#status === 'stopping'
  }

  onFrame(reader: FrameReader): void {
    switch (this.#status) {
      case 'greeting':
        return this.#onHello(reader)
      case 'session':
        if (reader.kind === KIND.settled) return this.#onSettled()
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
    this.#session?.close()
    this.#host.onClosed(this, error)
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

  #onHello(reader: FrameReader): void {
    if (reader.kind !== KIND.hello) {
      throw new ProtocolError(`The first frame is of kind ${reader.kind}, not a hello`)
    }
    const hello = parseHello(reader.tailText())
    clearTimeout(this.#helloTimer)
    if (this.#host.isDraining) {
      this.#sendObject(KIND.goodbye, 0, { reason: 'stop' })
      return this.end()
    }
    const proto = highestCommon(hello.proto)
    if (proto === undefined) throw incompatible(hello)
    this.#channel.reader.frameBytesMax = LIMITS.frameBytesMax
    this.#sendObject(KIND.welcome, 0, this.#welcome(hello, proto))
    if (hello.mode === 'control') {
      this.#status = 'control'
      return
    }
    const { engine } = this.#host
    this.#session = new PartySession(engine, this.#channel, hello.settledThrough ?? 0)
    this.#status = 'session'
    this.#host.onClientChange()
  }

  #welcome(hello: Hello, proto: number): Welcome {
    return {
      ...this.#host.identity,
      proto,
      features: FEATURES.filter((feature) => hello.features.includes(feature)),
      nonce: hello.nonce,
      generation: null,
      applied: null,
      results: []
    }
  }

  /** The client has all its answers: it is no reason any more to stay. */
  #onSettled(): void {
    this.#status = 'settled'
    this.#session?.close()
    this.#host.onClientChange()
    this.end()
  }

  #onControl(reader: FrameReader): void {
    switch (reader.kind) {
      case KIND.ping:
        return this.#sendObject(KIND.info, reader.id, {})
      case KIND.status:
        return this.#sendObject(KIND.info, reader.id, this.#host.describeStatus())
      case KIND.stop:
        this.#stopId = reader.id
        this.#status = 'stopping'
        return this.#host.onStopRequest(this)
      default:
        return this.#sendObject(KIND.error, reader.id, toWireError(unknownKind(reader.kind)))
    }
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

function incompatible({ proto, version }: Hello): PartyError {
  return new PartyError(
    'PARTYD_INCOMPATIBLE',
    `A client (version ${version}) speaks protocol ${proto.join(' to ')}, this daemon ${PROTOCOL_VERSIONS.join(' to ')}. Update the older package, or stop the daemon.`,
    { pid: process.pid }
  )
}
