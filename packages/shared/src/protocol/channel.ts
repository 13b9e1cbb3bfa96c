// One socket carrying frames: gathers what is sent in a turn of the event loop into one write,
// hands received frames to its owner, and stops reading while the peer does not read.

import type { Socket } from 'node:net'
import { LIMITS } from '../limits.js'
import { FrameReader } from './frame-reader.js'

/** What a channel tells its owner. */
export interface ChannelOwner {
  /** The reader is at a new frame. An error thrown here closes the channel. */
  onFrame(reader: FrameReader): void
  /** A frame made no sense, or `onFrame` threw. What is sent from here still leaves before the close. */
  onFault?(error: Error): void
  /** Whether the owner has all the work it can take; it calls `resume()` when that changes. */
  isSaturated(): boolean
  /** The socket is gone; called once. The error is why, if anything went wrong. */
  onClose(error: Error | undefined): void
}

/** Frames over a socket. */
export class Channel {
  readonly reader: FrameReader = new FrameReader()
  readonly #socket: Socket
  readonly #owner: ChannelOwner
  #status: 'open' | 'paused' | 'closed' = 'open'
  #error: Error | undefined

  /** The range of bytes that grows while frames lie one behind the other, and those before it. */
  #chunk: Uint8Array = NOTHING
  #start = 0
  #end = 0
  #full: Uint8Array[] = []
  #unflushedBytes = 0
  #flushScheduled = false
  #whenWritable: (() => void)[] = []
  /** Bound once: a fresh closure per turn would be garbage per turn. */
  readonly #flushLater = (): void => this.flush()

  constructor(socket: Socket, owner: ChannelOwner) {
    this.#socket = socket
    this.#owner = owner
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('drain', () => this.#onDrain())
    socket.on('error', (error) => {
      this.#error ??= error
    })
    socket.on('close', () => this.#onClose())
    socket.resume()
    // It may have closed before anybody listened.
    if (socket.destroyed) process.nextTick(() => this.#onClose())
  }

  get isOpen(): boolean {
    return this.#status !== 'closed'
  }

  /** Bytes sent that the peer has not taken yet. */
  get outgoingBytes(): number {
    return this.#socket.writableLength + this.#unflushedBytes
  }

  /** Sends `chunk[start, end)` at the end of this turn. The bytes must not change any more. */
  send(chunk: Uint8Array, start: number, end: number): void {
    if (chunk === this.#chunk && start === this.#end) {
      this.#end = end
    } else {
      this.#closeRange()
      this.#chunk = chunk
      this.#start = start
      this.#end = end
    }
    this.#unflushedBytes += end - start
    if (!this.#flushScheduled) {
      this.#flushScheduled = true
      // Runs after the microtasks of this turn: everything that resumed has sent what it will.
      process.nextTick(this.#flushLater)
    }
  }

  /** Sends at once what this turn has gathered. */
  flush(): void {
    this.#flushScheduled = false
    if (this.#unflushedBytes === 0) return
    this.#closeRange()
    const full = this.#full
    this.#full = []
    this.#unflushedBytes = 0
    if (this.#status === 'closed') return
    if (full.length === 1) {
      this.#socket.write(full[0] as Uint8Array)
      return
    }
    this.#socket.cork()
    for (const range of full) this.#socket.write(range)
    this.#socket.uncork()
  }

  /** Goes on reading, unless the peer still has too much to read or the owner too much to do. */
  resume(): void {
    if (this.#status !== 'paused' || this.#isFull()) return
    this.#status = 'open'
    this.#socket.resume()
    this.#read()
  }

  /** Resolves when the peer has read enough to be sent more, or is gone. */
  async writable(): Promise<void> {
    if (this.#status === 'closed' || this.outgoingBytes <= LIMITS.outgoingBytesMax) return
    await new Promise<void>((resolve) => this.#whenWritable.push(resolve))
  }

  /** Whether the socket keeps the process alive. */
  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  /** Sends what is left, then closes. */
  end(): void {
    this.flush()
    this.#socket.end()
  }

  /** Closes at once. */
  destroy(error?: Error): void {
    this.#error ??= error
    this.#socket.destroy()
    this.#onClose()
  }

  #onDrain(): void {
    this.resume()
    for (const resolve of this.#whenWritable.splice(0)) resolve()
  }

  #closeRange(): void {
    if (this.#end > this.#start) this.#full.push(this.#chunk.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #onData(chunk: Buffer): void {
    if (this.#status === 'closed') return
    this.reader.append(chunk)
    this.#read()
  }

  /** Hands out complete frames. While full, those already received wait, and the peer feels it. */
  #read(): void {
    try {
      while (this.#status === 'open' && this.reader.next()) {
        this.#owner.onFrame(this.reader)
        if (this.#status === 'open' && this.#isFull()) this.#pause()
      }
    } catch (error) {
      this.#owner.onFault?.(error as Error)
      this.#abort(error as Error)
    }
  }

  #isFull(): boolean {
    return this.outgoingBytes > LIMITS.outgoingBytesMax || this.#owner.isSaturated()
  }

  #pause(): void {
    this.#status = 'paused'
    this.#socket.pause()
  }

  /**
   * Closes after the peer has had a moment to read why. Until then its bytes are read and dropped:
   * closed at once, the socket would fail the peer's next write before it has read anything.
   */
  #abort(error: Error): void {
    this.end()
    setTimeout(() => this.#socket.destroy(), LAST_WORDS_MS).unref()
    this.#error ??= error
    this.#onClose()
  }

  #onClose(): void {
    if (this.#status === 'closed') return
    this.#status = 'closed'
    for (const resolve of this.#whenWritable.splice(0)) resolve()
    this.#owner.onClose(this.#error)
  }
}

/** How long a peer that broke the protocol may take to read the error. */
const LAST_WORDS_MS = 1_000

const NOTHING = new Uint8Array(0)
