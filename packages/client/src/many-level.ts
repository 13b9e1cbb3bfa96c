// A stock many-level guest that finds or starts the daemon. The only file that knows many-level.

import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { resolve } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { createHello, currentPlatform, isConnectingPrivate, PartyError } from '@partyd/shared'
import { ManyLevelGuest } from 'many-level'
import { Backoff } from './connecting/backoff.js'
import { connect, type Link } from './connecting/connector.js'
import {
  assertLocation,
  type PartyOptions,
  type ResolvedOptions,
  resolveOptions
} from './options.js'
import { PACKAGE_VERSION } from './package-version.js'

/** Options of {@link connectGuest}: many-level's encodings, and how to find or start the daemon. */
export interface GuestOptions extends Omit<PartyOptions, 'retry'> {
  keyEncoding?: string | undefined
  valueEncoding?: string | undefined
}

/**
 * A stock `ManyLevelGuest` with `retry` on the database at `location`. Returns at once; the daemon
 * is found, or started, when the first operation needs it, and again whenever it has gone away.
 * many-level sends unanswered writes again, so they may be applied twice.
 *
 * If no daemon can be had, the guest is closed, which rejects its operations, and it emits `error`
 * with the cause; without a listener the cause is emitted as a process warning.
 *
 * @throws TypeError when the location or an option is not of its type.
 */
export function connectGuest<K = string, V = string>(
  location: string,
  options: GuestOptions = {}
): ManyLevelGuest<K, V> {
  assertLocation(location)
  const { keyEncoding = 'utf8', valueEncoding = 'utf8', ...rest } = options
  const resolved = resolveOptions(rest)
  const guest = new ManyLevelGuest<K, V>({ keyEncoding, valueEncoding, retry: true })
  void new GuestLink(guest as unknown as ManyLevelGuest, resolve(location), resolved).run()
  return guest
}

/** Gives a guest one socket after the other. */
class GuestLink {
  readonly #guest: ManyLevelGuest
  readonly #directory: string
  #options: ResolvedOptions
  #socket: Socket | undefined

  constructor(guest: ManyLevelGuest, directory: string, options: ResolvedOptions) {
    this.#guest = guest
    this.#directory = directory
    this.#options = options
  }

  async run(): Promise<void> {
    try {
      const backoff = new Backoff()
      let isFirst = true
      while (this.#guest.status !== 'closed') {
        const stream = this.#createStream()
        // A guest that wants nothing needs no daemon, and must not undo a stop.
        if (!(await isWanted(stream))) return
        await this.#connect(stream, isFirst)
        isFirst = false
        // The signal cancels the first connect and nothing later.
        this.#options = { ...this.#options, signal: undefined }
        await sleep(backoff.next())
      }
    } catch (error) {
      await this.#giveUp(error as Error)
    }
  }

  #createStream(): Duplex {
    // The guest says when it has operations pending, and only then may it keep the process alive.
    const ref = {
      ref: () => void this.#socket?.ref(),
      unref: () => void this.#socket?.unref()
    }
    return this.#guest.createRpcStream({ ref }) as unknown as Duplex
  }

  /** Resolves when the connection has ended. */
  async #connect(stream: Duplex, isFirst: boolean): Promise<void> {
    const { connectTimeoutMs, retryTimeoutMs } = this.#options
    const link = await connect({
      directory: this.#directory,
      options: this.#options,
      timeoutMs: isFirst ? connectTimeoutMs : retryTimeoutMs,
      createHello: () => createHello('control', PACKAGE_VERSION)
    })
    link.socket.destroy()
    if (link.isProven && !isConnectingPrivate(currentPlatform())) {
      throw cannotProve(link, this.#directory)
    }
    // The guest was closed meanwhile, and Node 24 throws when a pipeline gets a stream that is destroyed.
    if (stream.destroyed) return
    const socket = connectSocket(link.endpoint)
    this.#socket = socket
    socket.once('connect', () => {
      if (this.#guest.isFlushed()) socket.unref()
    })
    await new Promise<void>((resolve) => pipeline(socket, stream, socket, () => resolve()))
    this.#socket = undefined
    // The guest lets go of the old stream in a callback of its own.
    await nextTurn()
  }

  async #giveUp(cause: Error): Promise<void> {
    await this.#guest.close()
    if (this.#guest.listenerCount('error') > 0) this.#guest.emit('error', cause)
    else process.emitWarning(cause)
  }
}

/** many-level's protocol has no place for a proof, so a daemon that needs one would not have the guest. */
function cannotProve({ endpoint }: Link, directory: string): PartyError {
  const message = `Everybody can connect to ${endpoint}, and many-level guests cannot prove who they are. Use PartyLevel.`
  return new PartyError('PARTYD_PERMISSION', message, {
    path: directory,
    endpoint,
    pid: process.pid
  })
}

/** Resolves with true when the guest has something to send, with false when it is closed. */
async function isWanted(stream: Duplex): Promise<boolean> {
  const controller = new AbortController()
  const { signal } = controller
  try {
    return await Promise.race([
      once(stream, 'readable', { signal }).then(() => true),
      once(stream, 'close', { signal }).then(() => false)
    ])
  } catch (error) {
    // Closing the guest destroys the stream, which makes an error of that.
    if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') throw error
    return false
  } finally {
    controller.abort()
  }
}
