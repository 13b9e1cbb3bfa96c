// A stock many-level guest: many-level's own host over the facade, its frames bounded. The only
// file of the daemon that knows many-level.

import type { Socket } from 'node:net'
import { pipeline, Transform, type TransformCallback } from 'node:stream'
import { LIMITS, ProtocolError } from '@partyd/shared'
import type { ClientDescription, Connection, ConnectionHost } from './connection.js'
import { ManyLevelFacade } from './many-level-facade.js'

interface ManyLevel {
  readonly ManyLevelHost: new (database: object) => { createRpcStream(): NodeJS.ReadWriteStream }
}

/** Loads what guests need while its files are still there. @throws when they are not. */
export async function loadGuests(): Promise<void> {
  await importManyLevel()
}

/** Not at the start: most daemons never see a guest. */
function importManyLevel(): Promise<ManyLevel> {
  return import('many-level') as Promise<unknown> as Promise<ManyLevel>
}

export class GuestConnection implements Connection {
  readonly isClient = true
  readonly #socket: Socket
  readonly #facade: ManyLevelFacade
  readonly #guard: GuestFrameGuard
  readonly #openedAt = performance.now()

  private constructor(socket: Socket, facade: ManyLevelFacade) {
    this.#socket = socket
    this.#facade = facade
    this.#guard = new GuestFrameGuard(socket, facade)
  }

  get description(): ClientDescription {
    return { mode: 'guest', connectedMs: Math.round(performance.now() - this.#openedAt) }
  }

  /** Takes over a socket whose first bytes wait in it. */
  static async accept(socket: Socket, host: ConnectionHost): Promise<GuestConnection> {
    const facade = new ManyLevelFacade(host.engine)
    const connection = new GuestConnection(socket, facade)
    const { ManyLevelHost } = await importManyLevel()
    const stream = new ManyLevelHost(facade).createRpcStream()
    pipeline(socket, connection.#guard, stream, socket, (error) => {
      host.onClosed(connection, error ?? undefined)
    })
    return connection
  }

  /**
   * many-level has no word for it: a guest learns it from the end of the connection. What it has
   * been heard to ask is answered first, or it would send it again.
   */
  sayGoodbye(): void {
    this.#guard.hold()
    void this.#facade.awaitIdle().then(() => this.end())
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/**
 * Passes length-prefixed frames on unchanged, a few at a time and while the guest reads its answers: many-level's
 * host keeps whatever the socket does not take. Fails on a frame that is too large before it is buffered.
 */
class GuestFrameGuard extends Transform {
  /** Bytes of the current frame still to come. */
  #missing = 0
  #length = 0
  #shift = 0
  #status: 'passing' | 'held' = 'passing'
  readonly #socket: Socket
  readonly #facade: ManyLevelFacade

  /** @param facade makes the guest wait while it has too much to do. */
  constructor(socket: Socket, facade: ManyLevelFacade) {
    super()
    this.#socket = socket
    this.#facade = facade
  }

  /** Passes nothing on any more. */
  hold(): void {
    this.#status = 'held'
  }

  override _transform(chunk: Buffer, _encoding: string, callback: TransformCallback): void {
    const onPassed = (): void => {
      if (this.#status === 'passing') callback()
    }
    this.#pass(chunk).then(onPassed, callback)
  }

  async #pass(chunk: Buffer): Promise<void> {
    for (let start = 0; start < chunk.length && this.#status === 'passing'; ) {
      const end = this.#findEnd(chunk, start)
      this.push(chunk.subarray(start, end))
      start = end
      await this.#facade.awaitRoom()
      await this.#awaitReader()
    }
  }

  /** Where as many frames end as may be answered at a time, or the chunk. @throws ProtocolError */
  #findEnd(chunk: Buffer, start: number): number {
    let frames = this.#facade.operationsMax
    for (let offset = start; offset < chunk.length; ) {
      if (this.#missing === 0) {
        if (this.#shift === 0 && frames-- === 0) return offset
        this.#readLength(chunk[offset++] as number)
      } else {
        const taken = Math.min(this.#missing, chunk.length - offset)
        this.#missing -= taken
        offset += taken
      }
    }
    return chunk.length
  }

  /** @param byte of a frame's length, which has seven bits in each. */
  #readLength(byte: number): void {
    this.#length += (byte & 0x7f) * 2 ** this.#shift
    this.#shift += 7
    if (this.#length > LIMITS.frameBytesMax || this.#shift > 35) {
      throw new ProtocolError(`A guest sent a frame of ${this.#length} bytes or more`)
    }
    if ((byte & 0x80) === 0) this.#beginFrame()
  }

  #beginFrame(): void {
    this.#missing = this.#length
    this.#length = 0
    this.#shift = 0
  }

  /** Resolves when the socket has taken all answers that there are, or is gone. */
  async #awaitReader(): Promise<void> {
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed) {
      await new Promise<void>((resolve) => {
        const onChange = (): void => {
          this.#socket.off('drain', onChange).off('close', onChange)
          resolve()
        }
        this.#socket.on('drain', onChange).on('close', onChange)
      })
    }
  }
}
