// A sublevel whose deferred operations, too, learn why the database could not be opened.

import type { Bytes } from '@partyd/shared'
import {
  type AbstractLevel,
  type AbstractOpenOptions,
  AbstractSublevel,
  type AbstractSublevelOptions
} from 'abstract-level'
import { OpenFailure } from './open-failure.js'

export class PartySublevel extends AbstractSublevel<AbstractLevel<Bytes>, Bytes, unknown, unknown> {
  readonly #openFailure = new OpenFailure()

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
    return new PartySublevel(this as unknown as AbstractLevel<Bytes>, name as string, options)
  }
}
