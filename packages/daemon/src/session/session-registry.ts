// The sessions of retrying clients by id, so that one that comes back finds its own writes.

import { type Hello, PartyError, TIMES } from '@partyd/shared'
import type { CommitQueue } from '../store/commit-queue.js'
import type { SessionRecords } from '../store/session-records.js'
import { SessionState } from './session-state.js'

/** The connection a session is on. */
export interface SessionHolder {
  /** Closes it and resolves when all that it had put into the commit queue is in the database. */
  giveUpSession(): Promise<void>
}

interface Entry {
  readonly state: SessionState
  holder: SessionHolder
  /** Resolves when whoever holds the session may begin. */
  ready: Promise<void>
}

export class SessionRegistry {
  readonly #records: SessionRecords
  readonly #commitQueue: CommitQueue
  readonly #entries = new Map<string, Entry>()
  readonly #sweep: NodeJS.Timeout
  /** The removal of expired records that is under way, if one is. */
  #removal: Promise<void> = Promise.resolve()

  /** @param onGeneration told when records have been removed without their clients' goodbye. */
  constructor(records: SessionRecords, commitQueue: CommitQueue, onGeneration: () => void) {
    this.#records = records
    this.#commitQueue = commitQueue
    this.#sweep = setInterval(() => this.#removeExpired(onGeneration), TIMES.recordSweep).unref()
  }

  get generation(): string {
    return this.#records.generation
  }

  /** Whether the daemon before has left its records: it was killed, and its clients may be on their way. */
  get isInherited(): boolean {
    return !this.#records.isFresh
  }

  /**
   * Gives the session to a new connection, once the old one has let go.
   * @throws PartyError when a later connection of the same session has been there already.
   */
  async take(hello: Hello, holder: SessionHolder): Promise<SessionState> {
    const { sessionId = '', attempt = 0, settledThrough = 0 } = hello
    const entry = this.#entries.get(sessionId)
    if (entry === undefined) await this.#load(sessionId, attempt, holder)
    else await this.#takeOver(entry, attempt, holder)
    const { state } = this.#entries.get(sessionId) as Entry
    // While we waited, a later connection may have come.
    if (state.attempt !== attempt) throw staleAttempt(sessionId, attempt, state.attempt)
    state.settle(settledThrough)
    return state
  }

  async #load(id: string, attempt: number, holder: SessionHolder): Promise<void> {
    const state = new SessionState(id, attempt)
    const load = async (): Promise<void> => {
      // Or what is found may be gone a moment later, and a session without it seem to have lost its writes.
      await this.#removal
      const record = await this.#records.find(id)
      if (record !== undefined) state.restore(record)
    }
    // In the map before anything is awaited, so that the next hello finds it.
    const entry = { state, holder, ready: load() }
    this.#entries.set(id, entry)
    try {
      await entry.ready
    } catch (error) {
      // Unread, the session is not known to be new: the next hello looks again.
      this.#entries.delete(id)
      throw error
    }
  }

  async #takeOver(entry: Entry, attempt: number, holder: SessionHolder): Promise<void> {
    const { state, holder: previous, ready } = entry
    if (attempt <= state.attempt) throw staleAttempt(state.id, attempt, state.attempt)
    state.attempt = attempt
    entry.holder = holder
    entry.ready = ready.then(() => previous.giveUpSession())
    await entry.ready
  }

  /** The connection is closed and its writes are in: what is known of the session is in its record. */
  release(state: SessionState, holder: SessionHolder): void {
    if (this.#entries.get(state.id)?.holder === holder) this.#entries.delete(state.id)
  }

  /** The client needs the session no more. Nothing of it may come into the commit queue after this. */
  remove(state: SessionState, holder: SessionHolder): void {
    if (this.#entries.get(state.id)?.holder !== holder) return
    this.#entries.delete(state.id)
    // Whether there is a record is seen in its turn: the session's first write may still be on its way.
    this.#commitQueue.enqueue(this.#records.createRemove(state))
  }

  /** What a start that failed after all has written is of no use to anybody. */
  async undoOpen(): Promise<void> {
    if (this.#records.isFresh) await this.removeAll()
  }

  /** Leaves no trace of partyd in the database: the last write before it is closed. */
  async removeAll(): Promise<void> {
    clearInterval(this.#sweep)
    await new Promise<void>((resolve) => {
      const onCommitted = (): void => {
        this.#commitQueue.end()
        resolve()
      }
      this.#commitQueue.enqueue(this.#records.createRemoveAll(onCommitted))
    })
  }

  #removeExpired(onGeneration: () => void): void {
    const before = this.#records.generation
    const isLive = (id: string): boolean => this.#entries.has(id)
    this.#removal = new Promise((resolve) => {
      const onCommitted = (): void => {
        if (this.#records.generation !== before) onGeneration()
        resolve()
      }
      this.#commitQueue.enqueue(this.#records.createRemoveExpired(isLive, onCommitted))
    })
  }
}

function staleAttempt(sessionId: string, attempt: number, latest: number): PartyError {
  return new PartyError(
    'PARTYD_PROTOCOL',
    `Connection ${attempt} of session ${sessionId.slice(0, 8)} came after connection ${latest}`
  )
}
