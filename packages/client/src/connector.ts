// How a client gets a daemon: RESOLVE, DIAL, HELLO, ELECT, SPAWN, WAIT, as one loop. Stateless
// between calls, so that the next connect finds the world as it is then.

import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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
  LevelError,
  LIMITS,
  locationFiles,
  PartyError,
  readRendezvous,
  resolveLocation,
  TIMES
} from '@partyd/shared'
import { Backoff } from './backoff.js'
import { Deadline } from './deadline.js'
import { type LaunchResult, launchDaemon } from './launcher.js'
import type { ResolvedOptions } from './options.js'
import { acquireSpawnLock } from './spawn-lock.js'
import { findStartPause, recordCrash, recordLocked } from './start-record.js'

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

/**
 * Elections under way in this process, by location: its databases need not compete with each other.
 * Each resolves with what failed, if that is the location's fault and would fail for all of them.
 */
const elections = new Map<string, Promise<Error | undefined>>()

/** One run of the loop. */
export class ConnectAttempt {
  readonly #request: ConnectRequest
  readonly #cancelled = new AbortController()
  readonly #deadline: Deadline
  readonly #backoff = new Backoff()
  readonly #startedAt = performance.now()
  #location = ''
  /** Why there is no connection yet. */
  #lastFailure: DialFailure | undefined
  #crashes = 0
  /** The daemon that this attempt started, once it is ready. */
  #launched: Extract<LaunchResult, { status: 'ready' }> | undefined

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
    if (errorIfExists && existsSync(join(this.#location, 'CURRENT'))) throw this.#existsError()
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

  async #dial(endpoint: string): Promise<DialResult> {
    if (!mayBeSocket(endpoint)) {
      return { status: 'absent', cause: new Error(`There is no socket at ${endpoint}`) }
    }
    return dial(endpoint, this.#request.createHello(), this.#deadline.signal)
  }

  #accept(link: Link): Link {
    const { errorIfExists } = this.#request.options.database
    const isOurs = this.#launched?.created && this.#launched.instanceId === link.welcome.instanceId
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
    if (!options.autospawn || findHold(this.#location) !== undefined) return false
    const isService = (readRendezvous(this.#location)?.mode ?? lastMode) === 'service'
    return !isService || performance.now() - this.#startedAt >= TIMES.serviceRestart
  }

  /** Makes sure that one client starts a daemon while the others wait for it. */
  async #elect(endpoint: string): Promise<void> {
    const running = elections.get(this.#location)
    if (running !== undefined) return this.#awaitElection(running)
    const election = this.#holdElection(endpoint)
    elections.set(
      this.#location,
      election.then(
        () => undefined,
        (error: Error) => (isLocationsFault(error) ? error : undefined)
      )
    )
    try {
      await election
    } finally {
      elections.delete(this.#location)
    }
  }

  async #awaitElection(running: Promise<Error | undefined>): Promise<void> {
    const { signal } = this.#deadline
    let onAbort = (): void => {}
    const aborted = new Promise<undefined>((resolve) => {
      onAbort = () => resolve(undefined)
      signal.addEventListener('abort', onAbort, { once: true })
    })
    const error = await Promise.race([running, aborted])
    signal.removeEventListener('abort', onAbort)
    if (error !== undefined) throw error
  }

  async #holdElection(endpoint: string): Promise<void> {
    const lock = await acquireSpawnLock(this.#location)
    if (lock.status === 'locked') return this.#wait()
    try {
      // Whoever held the lock before us may have started a daemon since we last looked.
      if (lock.status === 'acquired' && (await this.#isAnswered(endpoint))) return
      await this.#launch()
    } finally {
      if (lock.status === 'acquired') await lock.release()
    }
  }

  async #isAnswered(endpoint: string): Promise<boolean> {
    const result = await this.#dial(endpoint)
    if (result.status === 'welcome') result.socket.destroy()
    return result.status !== 'absent'
  }

  async #launch(): Promise<void> {
    const pause = findStartPause(this.#location)
    if (pause !== undefined) throw pause
    // Looked at again: it may have been taken while we waited for the spawn lock.
    if (findHold(this.#location) !== undefined) return this.#wait()
    const { options } = this.#request
    const result = await launchDaemon(this.#location, {
      ...options,
      signal: this.#deadline.signal,
      onProgress: () => this.#deadline.extend()
    })
    switch (result.status) {
      case 'ready':
        this.#launched = result
        return
      case 'deferred':
        return
      case 'pending':
        if (this.#deadline.isReached) throw result.error
        return
      case 'failed':
        if ((result.error as LevelError).code === 'LEVEL_LOCKED') {
          recordLocked(this.#location, result.error)
        }
        throw result.error
      case 'crashed':
        return this.#waitAfterCrash(result)
    }
  }

  async #waitAfterCrash({
    error,
    isKilled
  }: Extract<LaunchResult, { status: 'crashed' }>): Promise<void> {
    if (!isKilled) {
      this.#crashes++
      recordCrash(this.#location, error)
    }
    if (this.#crashes >= LIMITS.spawnsMax) throw error
    await this.#sleep(TIMES.respawn[this.#crashes - 1] ?? TIMES.respawn[0])
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

/** Whether a daemon started with other options would fail for the same reason. */
function isLocationsFault(error: Error): boolean {
  const { code } = error as LevelError
  return code === 'LEVEL_LOCKED' || code === 'LEVEL_CORRUPTION' || code === 'LEVEL_IO_ERROR'
}

/** Why the last daemon ended, if it left word. */
function describeLastExit(location: string): string {
  try {
    const record = JSON.parse(readFileSync(locationFiles(location).exit, 'utf8')) as {
      reason: string
      at: string
    }
    return ` (the last one ended at ${record.at}: ${record.reason})`
  } catch {
    return '' // It ended well, or without a word.
  }
}

/**
 * Whether dialling makes sense; a pipe has no file to look at. With `bigint`, because plain lstat
 * of a socket makes Node's realpath leave links unresolved, and the host's next import would fail.
 */
function mayBeSocket(endpoint: string): boolean {
  if (process.platform === 'win32') return true
  try {
    return lstatSync(endpoint, { bigint: true, throwIfNoEntry: false })?.isSocket() ?? false
  } catch {
    return true // We may not look. Dialling will tell the same, in the words of its own error.
  }
}
