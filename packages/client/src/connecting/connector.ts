// How a client gets a daemon: RESOLVE, DIAL, HELLO, ELECT, WAIT, as one loop. Stateless between calls,
// so that the next connect finds the world as it is then. election.ts starts a daemon if none is there.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DaemonMode,
  type DialFailure,
  type Dialled,
  type DialResult,
  describeHold,
  dial,
  findEndpoint,
  findHold,
  findLockHolder,
  type Hello,
  hasDatabase,
  LevelError,
  PartyError,
  readExitRecord,
  readRendezvous,
  resolveLocation
} from '@partyd/shared'
import type { ResolvedOptions } from '../options.js'
import { Backoff } from './backoff.js'
import { Deadline } from './deadline.js'
import { Election, isHeld } from './election.js'
import { ServiceGrace } from './service-grace.js'

/** A connection whose hello has been answered. */
export interface Link extends Dialled {
  readonly endpoint: string
}

export interface ConnectRequest {
  /** The directory as the user gave it. */
  readonly directory: string
  readonly options: ResolvedOptions
  readonly timeoutMs: number
  /** How the daemon that was there before had been started, if there was one. */
  readonly lastMode?: DaemonMode | undefined
  /** Made anew for each dial: a hello counts its attempts. */
  createHello(): Hello
}

/**
 * Connects to the daemon of a location, and starts one if there is none.
 * @throws PartyError or LevelError with the reason, as soon as waiting cannot help.
 */
export function connect(request: ConnectRequest): Promise<Link> {
  return new ConnectAttempt(request).run()
}

/** One run of the loop. */
export class ConnectAttempt {
  readonly #request: ConnectRequest
  readonly #cancelled = new AbortController()
  readonly #deadline: Deadline
  readonly #backoff = new Backoff()
  #location = ''
  /** Why there is no connection yet. */
  #lastFailure: DialFailure | undefined
  #election: Election | undefined
  #serviceGrace: ServiceGrace | undefined

  constructor(request: ConnectRequest) {
    const { options, timeoutMs } = request
    const cancel = [this.#cancelled.signal, options.signal].filter((signal) => signal !== undefined)
    this.#request = request
    this.#deadline = new Deadline(timeoutMs, cancel)
  }

  /** @throws PartyError or LevelError; `LEVEL_ABORTED` when it was cancelled. */
  async run(): Promise<Link> {
    try {
      this.#resolveLocation()
      return await this.#connect()
    } finally {
      this.#deadline.clear()
    }
  }

  cancel(): void {
    this.#cancelled.abort()
  }

  /** Why there is no connection by now. */
  get failure(): PartyError {
    return this.#lastFailure?.status === 'absent' ? this.#notRunning() : this.#unresponsive()
  }

  #resolveLocation(): void {
    const { directory, options } = this.#request
    const { createIfMissing, errorIfExists } = options.database
    this.#location = resolveLocation(directory, createIfMissing !== false)
    if (errorIfExists && hasDatabase(this.#location)) throw this.#existsError()
  }

  async #connect(): Promise<Link> {
    for (;;) {
      this.#assertInTime()
      const endpoint = findEndpoint(this.#location)
      const result = await this.#dial(endpoint)
      if (result.status === 'welcome') return this.#accept({ ...result, endpoint })
      this.#lastFailure = result
      await this.#handleFailure(result, endpoint)
    }
  }

  #dial(endpoint: string): Promise<DialResult> {
    return dial(this.#location, endpoint, this.#request.createHello(), this.#deadline.signal)
  }

  #accept(link: Link): Link {
    const { errorIfExists } = this.#request.options.database
    const launched = this.#election?.launched
    const isOurs = launched?.created && launched.instanceId === link.welcome.instanceId
    if (errorIfExists && !isOurs) {
      link.socket.destroy()
      throw this.#existsError()
    }
    return link
  }

  async #handleFailure({ status, cause }: DialFailure, endpoint: string): Promise<void> {
    switch (status) {
      case 'absent':
        return this.#mayElect() ? this.#elect(endpoint) : this.#wait()
      case 'busy':
      case 'leaving':
        return this.#wait()
      case 'refused':
        throw cause
      case 'forbidden':
        throw new PartyError(
          'PARTYD_PERMISSION',
          `This user may not connect to ${endpoint}: ${cause.message}. Check who owns ${this.#location}.`,
          {
            path: endpoint,
            endpoint,
            pid: this.#serverPid() ?? process.pid,
            cause
          }
        )
    }
  }

  /**
   * A location that is held is left alone, and a service to its manager for a while before anybody
   * starts a daemon in its place.
   */
  #mayElect(): boolean {
    const { options, lastMode } = this.#request
    if (!options.autospawn || isHeld(this.#location)) return false
    const isService = (readRendezvous(this.#location)?.mode ?? lastMode) === 'service'
    if (!isService) return true
    this.#serviceGrace ??= new ServiceGrace(this.#location)
    return this.#serviceGrace.isOver()
  }

  #elect(endpoint: string): Promise<void> {
    this.#election ??= new Election({
      location: this.#location,
      options: this.#request.options,
      deadline: this.#deadline,
      dial: (to) => this.#dial(to),
      wait: () => this.#wait(),
      sleep: (ms) => this.#sleep(ms)
    })
    return this.#election.hold(endpoint)
  }

  #wait(): Promise<void> {
    return this.#sleep(this.#backoff.next())
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#deadline
    try {
      await sleep(ms, undefined, { signal })
    } catch (error) {
      if (!signal.aborted) throw error // The loop finds out why it was aborted.
    }
  }

  #assertInTime(): void {
    if (!this.#deadline.signal.aborted) return
    if (!this.#deadline.isReached) {
      throw new LevelError('LEVEL_ABORTED', 'Opening the database was aborted', {
        cause: this.#deadline.signal.reason
      })
    }
    throw this.failure
  }

  /** Another user may not read who serves, but may ask the kernel. */
  #serverPid(): number | undefined {
    return readRendezvous(this.#location)?.pid ?? findLockHolder(this.#location)?.pid
  }

  #notRunning(): PartyError {
    const hint = this.#request.options.autospawn ? '' : ' and this client may not start one'
    const hold = findHold(this.#location)
    const reason = hold === undefined ? '' : ` (${describeHold(hold)})`
    const last = describeLastExit(this.#location)
    return new PartyError(
      'PARTYD_NOT_RUNNING',
      `No daemon serves ${this.#location}${hint}. Start one with: partyd ${this.#location}${last}${reason}`,
      { path: this.#location, pid: process.pid, cause: this.#lastFailure?.cause }
    )
  }

  #unresponsive(): PartyError {
    const known = readRendezvous(this.#location)
    const who = known === undefined ? 'The daemon' : `The daemon (pid ${known.pid})`
    return new PartyError(
      'PARTYD_UNRESPONSIVE',
      `${who} of ${this.#location} does not answer. It may be stopped or overloaded; resume it, or stop it.`,
      {
        path: this.#location,
        pid: known?.pid,
        endpoint: findEndpoint(this.#location),
        cause: this.#lastFailure?.cause
      }
    )
  }

  #existsError(): LevelError {
    const message = `Invalid argument: ${this.#location}: exists (error_if_exists is true)`
    const details = { path: this.#location, pid: process.pid }
    return new LevelError('LEVEL_INVALID_ARGUMENT', message, details)
  }
}

/** Why the last daemon ended, if it left word. */
function describeLastExit(location: string): string {
  const record = readExitRecord(location)
  return record === undefined ? '' : ` (the last one ended at ${record.at}: ${record.reason})`
}
