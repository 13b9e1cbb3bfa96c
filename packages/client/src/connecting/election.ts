// Which client starts the daemon when there is none, and the starting: one database of this process,
// one process of the location, and not too often.

import {
  type DialResult,
  findHold,
  keepsFrom,
  type LevelError,
  LIMITS,
  TIMES
} from '@partyd/shared'
import type { ResolvedOptions } from '../options.js'
import { identifyProgram } from './daemon-program.js'
import type { Deadline } from './deadline.js'
import { type LaunchResult, launchDaemon } from './launcher.js'
import { acquireSpawnLock } from './spawn-lock.js'
import { findStartPause, recordCrash, recordFailure } from './start-record.js'

/** What the connect attempt that needs a daemon provides. */
export interface ElectionOwner {
  readonly location: string
  readonly options: ResolvedOptions
  readonly deadline: Deadline
  dial(endpoint: string): Promise<DialResult>
  /** Waits for as long as it makes sense before the next dial. */
  wait(): Promise<void>
  /** Returns early when the deadline ends. */
  sleep(ms: number): Promise<void>
}

type Launched = Extract<LaunchResult, { status: 'ready' }>

/**
 * Elections under way in this process, by location: its databases need not compete with each other.
 * Each resolves with what failed, if that is the location's fault and would fail for all of them.
 */
const elections = new Map<string, Promise<Error | undefined>>()

/** The elections of one connect attempt. */
export class Election {
  readonly #owner: ElectionOwner
  #crashes = 0
  #launched: Launched | undefined

  constructor(owner: ElectionOwner) {
    this.#owner = owner
  }

  /** The daemon that this attempt started, once it is ready. */
  get launched(): Launched | undefined {
    return this.#launched
  }

  /**
   * Makes sure that one client starts a daemon while the others wait for it. Resolves when it is
   * time to dial again.
   * @throws what keeps a daemon from starting.
   */
  async hold(endpoint: string): Promise<void> {
    const { location } = this.#owner
    const running = elections.get(location)
    if (running !== undefined) return this.#await(running)
    const election = this.#run(endpoint)
    elections.set(
      location,
      election.then(
        () => undefined,
        (error: Error) => (isLocationsFault(error) ? error : undefined)
      )
    )
    try {
      await election
    } finally {
      elections.delete(location)
    }
  }

  async #await(running: Promise<Error | undefined>): Promise<void> {
    const { signal } = this.#owner.deadline
    let onAbort = (): void => {}
    const aborted = new Promise<undefined>((resolve) => {
      onAbort = () => resolve(undefined)
      signal.addEventListener('abort', onAbort, { once: true })
    })
    const error = await Promise.race([running, aborted])
    signal.removeEventListener('abort', onAbort)
    if (error !== undefined) throw error
  }

  async #run(endpoint: string): Promise<void> {
    const lock = await acquireSpawnLock(this.#owner.location)
    if (lock.status === 'locked') return this.#owner.wait()
    try {
      // Whoever held the lock before us may have started a daemon since we last looked.
      if (lock.status === 'acquired' && (await this.#isAnswered(endpoint))) return
      await this.#launch()
    } finally {
      if (lock.status === 'acquired') lock.release()
    }
  }

  async #isAnswered(endpoint: string): Promise<boolean> {
    const result = await this.#owner.dial(endpoint)
    if (result.status === 'welcome') result.socket.destroy()
    return result.status !== 'absent'
  }

  async #launch(): Promise<void> {
    const { location, options, deadline } = this.#owner
    const pause = findStartPause(location, identifyProgram(options.spawn))
    if (pause !== undefined) throw pause
    // Looked at again: it may have been taken while we waited for the spawn lock.
    if (isHeld(location)) return this.#owner.wait()
    const result = await launchDaemon(location, {
      ...options,
      signal: deadline.signal,
      onProgress: () => deadline.extend()
    })
    switch (result.status) {
      case 'ready':
        this.#launched = result
        return
      case 'deferred':
        return
      case 'pending':
        if (deadline.isReached) throw result.error
        return
      case 'failed':
        if (isLocationsFault(result.error)) recordFailure(location, result.error)
        throw result.error
      case 'crashed':
        return this.#waitAfterCrash(result)
    }
  }

  async #waitAfterCrash({
    error,
    by
  }: Extract<LaunchResult, { status: 'crashed' }>): Promise<void> {
    const { location, options } = this.#owner
    if (by !== 'outside') this.#crashes++
    if (by === 'daemon') recordCrash(location, identifyProgram(options.spawn), error)
    if (this.#crashes >= LIMITS.spawnsMax) throw error
    await this.#owner.sleep(TIMES.respawn[this.#crashes - 1] ?? TIMES.respawn[0])
  }
}

/** Whether nobody here may start a daemon for now. */
export function isHeld(location: string): boolean {
  const hold = findHold(location)
  return hold !== undefined && keepsFrom(hold, process.pid)
}

/** Whether a daemon started with other options would fail for the same reason. */
function isLocationsFault(error: Error): error is LevelError {
  const { code } = error as LevelError
  return code === 'LEVEL_LOCKED' || code === 'LEVEL_CORRUPTION' || code === 'LEVEL_IO_ERROR'
}
