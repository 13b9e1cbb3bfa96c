// Connecting to an endpoint and getting a hello answered: the only definition of "connected".

import { randomBytes } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { fromWireError, PartyError, ProtocolError } from '../errors.js'
import { LIMITS, TIMES } from '../limits.js'
import { currentPlatform } from '../location.js'
import { adviseOnRights, isEndpointPrivate } from '../private-endpoint.js'
import { readToken } from '../token.js'
import { FrameReader } from './frame-reader.js'
import { FrameWriter } from './frame-writer.js'
import {
  FEATURES,
  type Hello,
  type HelloMode,
  PROTOCOL_VERSIONS,
  parseWelcome,
  type Welcome
} from './hello.js'
import { parseWireError } from './json-body.js'
import { KIND } from './kind.js'
import { PREFACE } from './preface.js'
import { ClientProof } from './proof.js'

/** A socket on which the hello has been answered. It is paused; the bytes behind the welcome wait in it. */
export interface Dialled {
  readonly status: 'welcome'
  readonly socket: Socket
  readonly welcome: Welcome
  /** Whether both had to prove that they know the location's token. */
  readonly isProven: boolean
}

/** Why there is no connection, by what it says about the daemon. */
export type DialFailure =
  /** Nobody listens there, or not a daemon. */
  | { readonly status: 'absent'; readonly cause: Error }
  /** Somebody listens but has no room or time, or went away in the middle. Never a reason to spawn. */
  | { readonly status: 'busy'; readonly cause: Error }
  /** The daemon is on its way out. */
  | { readonly status: 'leaving'; readonly cause: Error }
  /** The daemon does not speak our protocol, refused the hello, or could not prove that it is the daemon. */
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
    nonce: randomBytes(8).toString('hex'),
    pid: process.pid
  }
}

/**
 * Connects and says hello. Where others could listen in the daemon's place, it must first prove that
 * it knows the location's token, which is read anew each time: every daemon makes its own.
 * @param signal ends the attempt with `busy`: silence proves nothing about the daemon.
 */
export async function dial(
  location: string,
  endpoint: string,
  hello: Hello,
  signal: AbortSignal
): Promise<DialResult> {
  if (!mayBeSocket(endpoint)) {
    return { status: 'absent', cause: new Error(`There is no socket at ${endpoint}`) }
  }
  const socket = connect(endpoint)
  const attempt = new Handshake(socket, location, endpoint, hello)
  const onAbort = (): void => attempt.fail('busy', new Error(`No answer from ${endpoint} in time`))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await attempt.result
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Whether connecting makes sense; a pipe has no file to look at. With `bigint`, because plain lstat
 * of a socket makes Node's realpath leave links unresolved, and the host's next import would fail.
 */
function mayBeSocket(endpoint: string): boolean {
  if (process.platform === 'win32') return true
  try {
    return lstatSync(endpoint, { bigint: true, throwIfNoEntry: false })?.isSocket() ?? false
  } catch {
    return true // We may not look. Connecting will tell the same, in the words of its own error.
  }
}

/** One attempt, from the call of connect to the daemon's answer. */
class Handshake {
  readonly result: Promise<DialResult>
  readonly #socket: Socket
  readonly #location: string
  readonly #endpoint: string
  readonly #hello: Hello
  readonly #reader = new FrameReader()
  /** proving: the daemon has to show first that it is the daemon · greeting: it has the hello. */
  #status: 'dialling' | 'proving' | 'greeting' | 'done' = 'dialling'
  /** What is read next: the preface, the length of a frame, or that many bytes of it. */
  #next: 'preface' | 'length' | number = 'preface'
  /** Undefined while nothing is to be proven, or there is no token to do it with. */
  #proof: ClientProof | undefined
  #tokenTimer: NodeJS.Timeout | undefined
  #resolve: (result: DialResult) => void = () => {}

  constructor(socket: Socket, location: string, endpoint: string, hello: Hello) {
    this.#socket = socket
    this.#location = location
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
    if (isEndpointPrivate(this.#endpoint, this.#location, currentPlatform())) {
      this.#status = 'greeting'
      return this.#send(KIND.hello, this.#hello, PREFACE)
    }
    this.#status = 'proving'
    try {
      this.#proof = new ClientProof(readToken(this.#location, currentPlatform()))
      this.#send(KIND.challenge, this.#proof.challenge, PREFACE)
    } catch (error) {
      // A daemon that leaves removes its token, and ends its connections just before.
      this.#tokenTimer = setTimeout(() => this.fail('refused', error as Error), TIMES.tokenMissing)
    }
  }

  #send(kind: number, value: object, before: Uint8Array = NOTHING): void {
    const writer = new FrameWriter()
    writer.begin(kind, 0)
    writer.tail(JSON.stringify(value))
    writer.end()
    this.#socket.write(
      Buffer.concat([before, writer.chunk.subarray(writer.start, writer.position)])
    )
  }

  /** Takes from the socket no more than the preface and the answers: what follows is the channel's. */
  readonly #onReadable = (): void => {
    try {
      while (this.#status !== 'done' && this.#readNext()) {}
    } catch (error) {
      this.#onSenseless(error as Error)
    }
  }

  /** Before the preface it is not a daemon; behind it, it is one that goes wrong, or a liar. */
  #onSenseless(error: Error): void {
    if (this.#next === 'preface') return this.fail('absent', error)
    if (this.#status === 'proving') return this.fail('refused', this.#notTheDaemon())
    this.fail('busy', error)
  }

  /** @returns whether it was there. */
  #readNext(): boolean {
    if (this.#next === 'preface') return this.#readPreface()
    if (this.#next === 'length') return this.#readLength()
    const body: Buffer | null = this.#socket.read(this.#next)
    if (body === null) return false
    this.#reader.append(body)
    this.#reader.next()
    this.#next = 'length'
    this.#onFrame()
    return true
  }

  #readPreface(): boolean {
    const preface: Buffer | null = this.#socket.read(PREFACE.length)
    if (preface === null) return false
    if (!preface.equals(PREFACE)) {
      throw new ProtocolError(`${this.#endpoint} is served by something that is not partyd`)
    }
    this.#next = 'length'
    return true
  }

  #readLength(): boolean {
    const header: Buffer | null = this.#socket.read(4)
    if (header === null) return false
    this.#next = header.readUInt32LE()
    this.#reader.append(header)
    this.#reader.next() // Checks the length before anything waits for that many bytes.
    return true
  }

  #onFrame(): void {
    const text = this.#reader.tailText()
    if (this.#status === 'proving') return this.#onProof(text)
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

  /** Whatever comes in place of a proof, no word of it counts: it could be anybody's. */
  #onProof(text: string): void {
    const isProof = this.#reader.kind === KIND.proof
    const proof = isProof ? this.#proof?.answer(text) : undefined
    if (proof === undefined) return this.fail('refused', this.#notTheDaemon())
    this.#status = 'greeting'
    this.#send(KIND.hello, { ...this.#hello, proof })
  }

  #notTheDaemon(): PartyError {
    const message = `What listens at ${this.#endpoint} did not prove that it is the daemon of ${this.#location}: other users could listen there, too.${adviseOnRights(currentPlatform())} End the process that listens.`
    const details = { path: this.#location, endpoint: this.#endpoint, pid: process.pid }
    return new PartyError('PARTYD_PERMISSION', message, details)
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
    const isProven = this.#proof !== undefined
    this.#resolve({ status: 'welcome', socket: this.#socket, welcome, isProven })
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.fail(this.#status === 'dialling' ? classify(error) : 'busy', error)
  }

  readonly #onClose = (): void => {
    this.fail('busy', new Error(`${this.#endpoint} closed the connection before it answered`))
  }

  #finish(): void {
    this.#status = 'done'
    clearTimeout(this.#tokenTimer)
    this.#socket.off('connect', this.#onConnect)
    this.#socket.off('readable', this.#onReadable)
    this.#socket.off('error', this.#onError)
    this.#socket.off('close', this.#onClose)
  }
}

const NOTHING = new Uint8Array(0)

function classify(error: NodeJS.ErrnoException): DialFailure['status'] {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
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
