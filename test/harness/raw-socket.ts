// A socket for bytes of any kind: what comes back, and how it ends, does not matter to it.

import { connect, type Socket } from 'node:net'

export class RawSocket {
  /** Resolves when it is gone, however it went. */
  readonly closed: Promise<void>
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {}) // Every error is followed by 'close'.
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()))
    socket.resume()
  }

  static connect(endpoint: string): Promise<RawSocket> {
    const socket = connect(endpoint)
    const raw = new RawSocket(socket)
    return new Promise((resolve, reject) => {
      socket.on('connect', () => resolve(raw))
      socket.on('close', () => reject(new Error(`Cannot connect to ${endpoint}`)))
    })
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Sends the last bytes and closes. */
  end(bytes: Buffer): void {
    this.#socket.end(bytes)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
