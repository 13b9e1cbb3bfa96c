// A party client of nothing but frames: says what the test tells it to, and keeps what it hears.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  type Bytes,
  FrameReader,
  FrameWriter,
  type HelloMode,
  KIND,
  PREFACE,
  PROTOCOL_VERSIONS,
  parseObject,
  parseWelcome,
  type Welcome
} from '@partyd/shared'

/** A received frame. */
export interface Frame {
  readonly kind: number
  readonly id: number
  readonly body: Buffer
}

/** The bytes of one frame. */
export function encodeFrame(
  kind: number,
  id: number,
  writeBody: (writer: FrameWriter) => void = () => {}
): Buffer {
  const writer = new FrameWriter()
  writer.begin(kind, id)
  writeBody(writer)
  writer.end()
  return writer.chunk.subarray(writer.start, writer.position)
}

/** The bytes of a hello frame; fields that are undefined are left out. */
export function encodeHello(mode: HelloMode, fields: object = {}): Buffer {
  const hello = {
    proto: PROTOCOL_VERSIONS,
    version: 'raw',
    features: ['hasMany'],
    mode,
    nonce: randomBytes(8).toString('hex'),
    ...fields
  }
  return encodeFrame(KIND.hello, 0, (writer) => writer.tail(JSON.stringify(hello)))
}

export class RawClient {
  readonly socket: Socket
  /** Settles when the socket is gone, however it went. */
  readonly closed: Promise<void>
  readonly #reader = new FrameReader()
  #preface: Buffer = Buffer.alloc(0)
  readonly #frames: Frame[] = []
  readonly #waiting: ((frame: Frame | undefined) => void)[] = []
  #status: 'open' | 'closed' = 'open'
  #nextId = 1
  #sequence = 0

  private constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()))
    // A daemon that refuses us may close while we still write; the close is what counts.
    socket.on('error', () => {})
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('close', () => this.#onClose())
  }

  /** Connects, and sends nothing. */
  static async connect(endpoint: string): Promise<RawClient> {
    const client = new RawClient(connect(endpoint))
    await once(client.socket, 'connect')
    return client
  }

  /** Connects and says a proper hello. */
  static async open(endpoint: string, mode: HelloMode = 'once'): Promise<RawClient> {
    const client = await RawClient.connect(endpoint)
    await client.greet(mode)
    return client
  }

  async greet(mode: HelloMode = 'once', fields: object = {}): Promise<Welcome> {
    this.send(PREFACE, encodeHello(mode, fields))
    const frame = await this.next()
    if (frame?.kind !== KIND.welcome) {
      throw new Error(`A hello was answered with ${frame?.kind}: ${frame?.body}`)
    }
    return parseWelcome(frame.body.toString())
  }

  send(...parts: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(parts))
  }

  /** The next frame, or undefined when the connection has ended. */
  next(): Promise<Frame | undefined> {
    const frame = this.#frames.shift()
    if (frame !== undefined || this.#status === 'closed') return Promise.resolve(frame)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Everything that still comes until the connection ends. */
  async rest(): Promise<Frame[]> {
    const frames: Frame[] = []
    for (let frame = await this.next(); frame !== undefined; frame = await this.next()) {
      frames.push(frame)
    }
    return frames
  }

  /** Sends one request and waits for the frame that answers it. */
  async ask(kind: number, writeBody?: (writer: FrameWriter) => void): Promise<Frame> {
    const id = this.#nextId++
    this.send(encodeFrame(kind, id, writeBody))
    for (;;) {
      const frame = await this.next()
      if (frame === undefined)
        throw new Error(`The connection ended before request ${id} was answered`)
      if (frame.id === id) return frame
      if (frame.id === 0) throw new Error(`The daemon said ${frame.kind}: ${frame.body}`)
    }
  }

  /** The fields that every write begins with. */
  stamp(writer: FrameWriter): void {
    writer.uint53(++this.#sequence)
    writer.uint53(this.#sequence - 1)
  }

  async put(key: Bytes, value: Bytes): Promise<void> {
    const answer = await this.ask(KIND.put, (writer) => {
      this.stamp(writer)
      writer.uint8(0)
      writer.bytes(key)
      writer.tail(value)
    })
    if (answer.kind !== KIND.done) throw new Error(`put was answered with ${answer.body}`)
  }

  async get(key: Bytes): Promise<Buffer | undefined> {
    const answer = await this.ask(KIND.get, (writer) => {
      writer.uint8(0)
      writer.tail(key)
    })
    return answer.kind === KIND.value ? answer.body : undefined
  }

  /** Leaves as a client should. */
  async settle(): Promise<void> {
    this.send(encodeFrame(KIND.settled, 0, (writer) => writer.uint53(this.#sequence)))
    await this.closed
  }

  #onData(chunk: Buffer): void {
    if (this.#preface.length === PREFACE.length) {
      this.#reader.append(chunk)
    } else {
      const bytes = Buffer.concat([this.#preface, chunk])
      this.#preface = bytes.subarray(0, PREFACE.length)
      this.#reader.append(bytes.subarray(PREFACE.length))
    }
    while (this.#reader.next()) {
      const { kind, id } = this.#reader
      this.#deliver({ kind, id, body: Buffer.from(this.#reader.tail()) })
    }
  }

  #deliver(frame: Frame): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#frames.push(frame)
    else waiting(frame)
  }

  #onClose(): void {
    this.#status = 'closed'
    for (const waiting of this.#waiting.splice(0)) waiting(undefined)
  }
}

/** The JSON of an error or info frame. */
export function decodeObject(frame: Frame | undefined): Record<string, unknown> {
  return parseObject(frame?.body.toString() ?? '', 'frame')
}
