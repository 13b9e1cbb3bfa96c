// A sublevel that has what its database has: atomic, update and watch, and the reason why the database
// could not be opened for its deferred operations.

import type { Bytes } from '@partyd/shared'
import {
  type AbstractOpenOptions,
  AbstractSublevel,
  type AbstractSublevelOptions
} from 'abstract-level'
import { Atomic } from './atomic.js'
import type { AnyDatabase } from './encoded.js'
import { OpenFailure } from './open-failure.js'
import type { UpdateFunction, UpdateOptions, WatchOptions, WatchRange } from './operation-types.js'
import type { PartyOperations } from './party-operations.js'
import type { RootDatabase } from './root-database.js'
import { update } from './update.js'
import { Watch } from './watch.js'

export class PartySublevel
  extends AbstractSublevel<AnyDatabase, Bytes, unknown, unknown>
  implements PartyOperations<unknown, unknown>
{
  readonly #root: RootDatabase
  readonly #openFailure = new OpenFailure()

  constructor(
    db: AnyDatabase,
    name: string | string[],
    options: AbstractSublevelOptions<unknown, unknown>,
    root: RootDatabase
  ) {
    super(db, name as string, options)
    this.#root = root
  }

  /** @internal */
  get openFailure(): OpenFailure {
    return this.#openFailure
  }

  /** A sublevel of this one waits for it by a passive open. */
  override open(options?: AbstractOpenOptions): Promise<void> {
    return this.#openFailure.explain(super.open(options as AbstractOpenOptions), options?.passive)
  }

  /** @internal */
  async _open(options: AbstractOpenOptions): Promise<void> {
    this.#openFailure.cause = undefined
    const openParent = Reflect.get(AbstractSublevel.prototype, '_open') as typeof this._open
    try {
      await openParent.call(this, options)
    } catch (error) {
      this.#openFailure.cause = (error as Error).cause as Error
      throw error
    }
  }

  override deferAsync<T>(fn: () => Promise<T>, options?: { signal?: AbortSignal }): Promise<T> {
    return super.deferAsync(this.#openFailure.guard(this, fn), options)
  }

  /** @internal */
  _sublevel(
    name: string | string[],
    options: AbstractSublevelOptions<unknown, unknown>
  ): PartySublevel {
    return new PartySublevel(this, name, options, this.#root)
  }

  atomic(): Atomic<this, unknown, unknown> {
    return new Atomic<this, unknown, unknown>(this, this.#root)
  }

  update<K, V>(
    key: K,
    fn: UpdateFunction<V>,
    options: UpdateOptions<K, V> = {}
  ): Promise<V | undefined> {
    return update(this.#root, this, key, fn, options)
  }

  watch<K, V>(range: WatchRange<K> = {}, options: WatchOptions<K, V> = {}): Watch<K, V> {
    return new Watch<K, V>(this.#root, this, range, options)
  }
}
