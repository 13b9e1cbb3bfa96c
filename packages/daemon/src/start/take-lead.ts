// A daemon's way to LevelDB's lock: whether the location can be served from here, whether somebody
// serves it already and which of the two makes room, and the claim. Everything waits with a word to
// those who wait for us.

import { type DaemonArguments, findEndpoint, type Welcome } from '@partyd/shared'
import type { Logger } from '../log/logger.js'
import type { ListeningSocket } from '../service/listen-fds.js'
import type { Notifier } from '../service/notify.js'
import { takeOver } from '../service/takeover.js'
import { type Claim, claim } from './claim.js'
import { assertLocalFileSystem, describeFileSystem } from './file-system.js'
import { probe } from './probe.js'
import type { StartChannel } from './start-channel.js'
import { AlreadyRunning } from './start-error.js'

export interface LeadOptions {
  /** The real path of the location. */
  readonly location: string
  readonly arguments: DaemonArguments
  /** The socket that the service manager has handed over, if so. */
  readonly listening: ListeningSocket | undefined
  /** Ends the wait. */
  readonly signal: AbortSignal
  readonly log: Logger
  readonly startChannel: StartChannel
  readonly notifier: Notifier
}

/**
 * Resolves with the open database once nobody else has it.
 * @throws StartError with what is wrong; AlreadyRunning when a daemon answers; the signal's reason.
 */
export function takeLead(options: LeadOptions): Promise<Claim> {
  return new LeadTaker(options).run()
}

class LeadTaker {
  readonly #options: LeadOptions
  /** What was last said of how it goes. */
  #progress = ''

  constructor(options: LeadOptions) {
    this.#options = options
  }

  async run(): Promise<Claim> {
    const serving = await this.#probe()
    if (serving !== undefined) await this.#onServed(serving)
    this.#lookAtFileSystem()
    const startedAt = performance.now()
    const claimed = await this.#claim()
    const ms = Math.round(performance.now() - startedAt)
    this.#options.log.info('opened the database', { created: claimed.created, ms })
    return claimed
  }

  /** Nobody else can answer at a socket that was handed over to us. */
  async #probe(): Promise<Welcome | undefined> {
    const { location, listening } = this.#options
    return listening?.path === findEndpoint(location) ? undefined : probe(location)
  }

  /**
   * An auto-spawned daemon makes room for one that was started on purpose; otherwise whoever is
   * there stays, and a service waits for its turn.
   */
  async #onServed({ pid, mode }: Welcome): Promise<void> {
    const { location, log } = this.#options
    const own = this.#options.arguments.mode
    if (own !== 'auto' && mode === 'auto') {
      log.info(`taking over from the daemon that a client started (pid ${pid})`)
      return takeOver(location)
    }
    if (own !== 'service') throw new AlreadyRunning(location, pid, mode)
  }

  #lookAtFileSystem(): void {
    const { location, log } = this.#options
    const fileSystem = describeFileSystem(location)
    if (!this.#options.arguments.allowNetworkFs) assertLocalFileSystem(fileSystem, location)
    if (fileSystem.isNetwork || fileSystem.type === 'fuse') {
      log.warn(
        `${location} is on a file system (${fileSystem.type}) that may not keep LevelDB's lock, nor its writes when the power fails`
      )
    }
  }

  #claim(): Promise<Claim> {
    const { location, signal } = this.#options
    const { mode, database } = this.#options.arguments
    return claim({
      location,
      mode,
      database,
      signal,
      probe: () => this.#probe(),
      onProgress: (message) => this.#onProgress(message),
      onServed: (welcome) => this.#onServed(welcome)
    })
  }

  /** Each message comes again and again: whoever waits for us must know that we are alive. */
  #onProgress(message: string): void {
    const { log, startChannel, notifier } = this.#options
    startChannel.report({ event: 'progress', message })
    notifier.status(message)
    if (message === this.#progress) return
    this.#progress = message
    log.info(message)
    // A person at the terminal is told what is waited for.
    if (this.#options.arguments.mode !== 'auto') void log.load()
  }
}
