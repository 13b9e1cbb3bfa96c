// Connecting to an endpoint and getting a hello answered: the only definition of "connected".

import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { fromWireError, PartyError, ProtocolError } from '../errors.js'
import { LIMITS } from '../limits.js'
import { FrameReader } from './frame-reader.js'
import { FrameWriter } from './frame-writer.js'
import {
  FEATURES,
  type Hello,
  type HelloMode,
  KIND,
  PROTOCOL_VERSIONS,
  parseWelcome,
  parseWireError,
  type Welcome
} from './message.js'
import { PREFACE } from './preface.js'

/** A socket on which the hello has been answered. It is paused; the bytes behind the welcome wait in it. */
export interface Dialled {
  readonly status: 'welcome'
  readonly socket: Socket
  readonly welcome: Welcome
}

/** Why there is no connection, by what it says about the daemon. */
export type DialFailure =
  /** Nobody listens there, or not a daemon. */
  | { readonly status: 'absent'; readonly cause: Error }
  /** Somebody listens but has no room or time, or went away in the middle. Never a reason to spawn. */
  | { readonly status: 'busy'; readonly cause: Error }
  /** The daemon is on its way out. */
  | { readonly status: 'leaving'; readonly cause: Error }
  /** The daemon does not speak our protocol, or refused the hello. */
  | { readonly status: 'refused'; readonly cause: Error }
  /** We may not use the endpoint. */
  | { readonly status: 'forbidden'; readonly cause: Error }

export type DialResult = Dialled | DialFailure

/** @param version the caller's package version, for the daemon's log. */
export function createHello(mode: HelloMode, version: string): Hello {
  return {
    proto: [...PROTOCOL_VERSIONS],
    version,
    features: [...FEATURES],
    mode,
    nonce: randomBytes(8).toString('hex')
  }
}

/**
 * Connects and says hello.
 * @param signal ends the attempt with `busy`: silence proves nothing about the daemon.
 */
export async function dial(
  endpoint: string,
  hello: Hello,
  signal: AbortSignal
): Promise<DialResult> {
  const socket = connect(endpoint)
  const attempt = new Handshake(socket, endpoint, hello)
  const onAbort = (): void => attempt.fail('busy', new Error(`No answer from ${endpoint} in time`))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await attempt.result
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** One attempt, from the call of connect to the daemon's answer. */
class Handshake {
  readonly result: Promise<DialResult>
  readonly #socket: Socket
  readonly #endpoint: string
  readonly #hello: Hello
  readonly #reader = new FrameReader()
  #status: 'dialling' | 'waiting' | 'answered' | 'done' = 'dialling'
  /** Length of the answer's frame, once known. */
  #length: number | undefined
  #resolve: (result: DialResult) => void = () => {}

  constructor(socket: Socket, endpoint: string, hello: Hello) {
    this.#socket = socket
    this.#endpoint = endpoint
    this.#hello = hello
    this.#reader.frameBytesMax = LIMITS.welcomeBytesMax
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
    socket.on('connect', this.#onConnect)
    socket.on('readable', this.#onReadable)
    socket.on('error', this.#onError)
    // Stays when the others go: between us and the next owner an error must not be unhandled.
    socket.on('error', () => {})
    socket.on('close', this.#onClose)
  }

  fail(status: DialFailure['status'], cause: Error): void {
    if (this.#status === 'done') return
    this.#finish()
    this.#socket.destroy()
    this.#resolve({ status, cause })
  }

  readonly #onConnect = (): void => {
    this.#status = 'waiting'
    const writer = new FrameWriter()
    writer.begin(KIND.hello, 0)
    writer.tail(JSON.stringify(this.#hello))
    writer.end()
    this.#socket.write(
      Buffer.concat([PREFACE, writer.chunk.subarray(writer.start, writer.position)])
    )
  }

  /** Takes from the socket no more than the preface and one frame: what follows is the channel's. */
  readonly #onReadable = (): void => {
    try {
      if (this.#status === 'waiting' && !this.#readPreface()) return
      const frame = this.#readFrame()
      if (frame) this.#onFrame()
    } catch (error) {
      // Before the preface it is not a daemon; behind it, it is one that goes wrong.
      this.fail(this.#status === 'waiting' ? 'absent' : 'busy', error as Error)
    }
  }

  #readPreface(): boolean {
    const preface: Buffer | null = this.#socket.read(PREFACE.length)
    if (preface === null) return false
    if (!preface.equals(PREFACE)) {
      throw new ProtocolError(`${this.#endpoint} is served by something that is not partyd`)
    }
    this.#status = 'answered'
    return true
  }

  #readFrame(): boolean {
    if (this.#length === undefined) {
      const header: Buffer | null = this.#socket.read(4)
      if (header === null) return false
      this.#length = header.readUInt32LE()
      this.#reader.append(header)
      this.#reader.next() // Checks the length before anything waits for that many bytes.
    }
    const body: Buffer | null = this.#socket.read(this.#length)
    if (body === null) return false
    this.#reader.append(body)
    return this.#reader.next()
  }

  #onFrame(): void {
    const text = this.#reader.tailText()
    if (this.#reader.kind === KIND.welcome) return this.#onWelcome(parseWelcome(text))
    if (this.#reader.kind === KIND.goodbye) {
      return this.fail('leaving', new Error(`The daemon at ${this.#endpoint} is shutting down`))
    }
    if (this.#reader.kind === KIND.error) {
      const error = fromWireError(parseWireError(text))
      return this.fail('refused', error)
    }
    throw new ProtocolError(`A hello was answered with a frame of kind ${this.#reader.kind}`)
  }

  #onWelcome(welcome: Welcome): void {
    if (welcome.nonce !== this.#hello.nonce) {
      throw new ProtocolError('A welcome answers somebody else’s hello')
    }
    const [lowest, highest] = PROTOCOL_VERSIONS
    if (welcome.proto < lowest || welcome.proto > highest) {
      const cause = new PartyError(
        'PARTYD_INCOMPATIBLE',
        `The daemon at ${this.#endpoint} (pid ${welcome.pid}, partyd ${welcome.version}) speaks protocol ${welcome.proto}, this client ${lowest} to ${highest}. Update the older package.`,
        { endpoint: this.#endpoint, pid: welcome.pid }
      )
      return this.fail('refused', cause)
    }
    this.#finish()
    this.#resolve({ status: 'welcome', socket: this.#socket, welcome })
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.fail(this.#status === 'dialling' ? classify(error) : 'busy', error)
  }

  readonly #onClose = (): void => {
    this.fail('busy', new Error(`${this.#endpoint} closed the connection before it answered`))
  }

  #finish(): void {
    this.#status = 'done'
    this.#socket.off('connect', this.#onConnect)
    this.#socket.off('readable', this.#onReadable)
    this.#socket.off('error', this.#onError)
    this.#socket.off('close', this.#onClose)
  }
}

function classify(error: NodeJS.ErrnoException): DialFailure['status'] {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
    case 'EPROTOTYPE':
    case 'EINVAL':
      return 'absent'
    case 'EACCES':
    case 'EPERM':
      return 'forbidden'
    default:
      return 'busy'
  }
}
