// Read, change, write, and if somebody else was faster all over again: an update that no other
// process's write is lost to.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Bytes, PartyError, TIMES } from '@partyd/shared'
import { abortable, abortError } from './abortable.js'
import { decode, type Encoding, encodeKey, encodeValue, valueEncodingOf } from './encoded.js'
import type { UpdateFunction, UpdateOptions } from './operation-types.js'
import {
  commitAtomic,
  getBytes,
  type PartyDatabase,
  type RootDatabase,
  whenOpen
} from './root-database.js'

/** Makes a new value of the one that is there; see `db.update()`. */
type Change = (value: unknown) => unknown

type Options = UpdateOptions<unknown, unknown>

/** See `db.update()`. */
export async function update<K, V>(
  root: RootDatabase,
  database: PartyDatabase,
  key: K,
  fn: UpdateFunction<V>,
  options: UpdateOptions<K, V>
): Promise<V | undefined> {
  const change = fn as Change
  return (await new Update(root, database, key, change, options as Options).run()) as V | undefined
}

/** One update of one key, from the first look to the write before which nobody else came. */
class Update {
  readonly #root: RootDatabase
  readonly #database: PartyDatabase
  readonly #key: Bytes
  readonly #change: Change
  readonly #options: Options
  readonly #encoding: Encoding

  /** @throws TypeError or LevelError when the key or the function cannot be one. */
  constructor(
    root: RootDatabase,
    database: PartyDatabase,
    key: unknown,
    fn: Change,
    options: Options
  ) {
    if (typeof fn !== 'function') throw new TypeError("The second argument 'fn' must be a function")
    this.#root = root
    this.#database = database
    this.#key = encodeKey(database, key, options.keyEncoding)
    this.#change = fn
    this.#options = options
    this.#encoding = valueEncodingOf(database, options.valueEncoding)
  }

  /** @returns the new value. */
  run(): Promise<unknown> {
    const { signal } = this.#options
    const run = (): Promise<unknown> => this.#run()
    const inTurn = (): Promise<unknown> => this.#root.updateTurns.take(this.#key, run, signal)
    return whenOpen(this.#database, inTurn, signal)
  }

  async #run(): Promise<unknown> {
    const startedAt = performance.now()
    for (let conflicts = 1; ; conflicts++) {
      const attempt = await this.#attempt()
      if (attempt.isIn) return attempt.value
      const waitedMs = performance.now() - startedAt
      if (waitedMs >= this.#root.retryTimeoutMs) throw conflict(conflicts, waitedMs)
      await this.#pause(conflicts)
    }
  }

  /** The last look at the signal is before the write is sent: aborted means that nothing was written. */
  async #attempt(): Promise<{ readonly isIn: boolean; readonly value: unknown }> {
    const stored = await this.#abortable(this.#read())
    const before = stored && decode(stored, this.#encoding, 'value')
    const value = await this.#abortable(Promise.resolve(this.#change(before)))
    if (this.#options.signal?.aborted) throw abortError()
    // Nothing was there, and nothing shall be.
    if (value === undefined && stored === undefined) return { isIn: true, value }
    return { isIn: await this.#write(stored, value), value }
  }

  #read(): Promise<Buffer | undefined> {
    return whenOpen(this.#database, () => getBytes(this.#root, this.#key))
  }

  #write(stored: Buffer | undefined, value: unknown): Promise<boolean> {
    const { sync, valueEncoding } = this.#options
    const key = this.#key
    const encoded =
      value === undefined ? undefined : encodeValue(this.#database, value, valueEncoding)
    return whenOpen(this.#database, () =>
      commitAtomic(this.#root, [{ key, value: stored }], [{ key, value: encoded }], { sync })
    )
  }

  #abortable<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this.#options
    return signal === undefined ? promise : abortable(promise, signal)
  }

  /** At random, so that those who met do not meet again; longer when it happens again and again. */
  #pause(conflicts: number): Promise<void> {
    const longest = Math.min(TIMES.conflictFirst * 2 ** conflicts, TIMES.conflictMax)
    return this.#abortable(sleep(Math.random() * longest))
  }
}

function conflict(conflicts: number, waitedMs: number): PartyError {
  const message = `Other writers changed the value ${conflicts} times in ${Math.round(waitedMs)} ms while update() was at it. Let fewer of them update this key, or spread what they update over several keys.`
  return new PartyError('PARTYD_CONFLICT', message, { operation: 'update' })
}
