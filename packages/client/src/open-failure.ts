// Why a database could not be opened, for the operations that waited for it: abstract-level would
// tell them only that it is not open.

import { LevelError } from '@partyd/shared'

export class OpenFailure {
  #cause: Error | undefined

  /** The last open is being tried again, or has failed with that error. */
  set cause(cause: Error | undefined) {
    this.#cause = cause
  }

  /** The error of an operation that came too early or too late. */
  createError(): LevelError {
    const cause = this.#cause
    const reason = cause === undefined ? '' : `: ${cause.message}`
    return new LevelError('LEVEL_DATABASE_NOT_OPEN', `Database is not open${reason}`, { cause })
  }

  /**
   * Only the error of a passive open lacks its cause. Any other promise is abstract-level's own: one
   * that settles a tick later would find a `close()` of the same turn already under way.
   */
  explain(opened: Promise<void>, passive: boolean | undefined): Promise<void> {
    if (!passive) return opened
    return opened.catch((error: Error) => {
      if (error.cause === undefined && this.#cause !== undefined) error.cause = this.#cause
      throw error
    })
  }

  /** A deferred operation that fails with the cause if the open that it waited for has failed. */
  guard<T>(database: { readonly status: string }, operation: () => Promise<T>): () => Promise<T> {
    return () => {
      const hasFailed = database.status !== 'open' && this.#cause !== undefined
      return hasFailed ? Promise.reject(this.createError()) : operation()
    }
  }
}
