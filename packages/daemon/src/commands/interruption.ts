// What ends a command before it is done: a signal, or the time that it was given.

import { PartyError } from '@partyd/shared'
import type { Command } from './command.js'
import { EXIT } from './failure.js'

export class Interruption {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout | undefined
  #signals = 0

  /** @param timeoutMs undefined for no limit. */
  constructor(timeoutMs: number | undefined, command: Command) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#onSignal())
    if (timeoutMs === undefined) return
    this.#timer = setTimeout(() => this.#onTimeout(timeoutMs, command), timeoutMs)
  }

  /** Aborted by the first signal or the time-out, with the error to end with. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Rejects when the signal is aborted, with its reason. */
  get rejected(): Promise<never> {
    const { signal } = this.#controller
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  }

  /** @throws the reason of the end in place of an error that only says that there was one. */
  explain(error: Error): never {
    const { code } = error as NodeJS.ErrnoException
    const isBare = code === 'LEVEL_ABORTED' || code === 'ABORT_ERR'
    throw isBare && this.signal.aborted ? this.signal.reason : error
  }

  clear(): void {
    clearTimeout(this.#timer)
  }

  /** A second signal ends what takes too long to end by itself. */
  #onSignal(): void {
    this.#signals++
    if (this.#signals > 1) process.exit(EXIT.interrupted)
    this.#controller.abort(new Interrupted())
  }

  #onTimeout(ms: number, { name, isWrite }: Command): void {
    const message = `partyd ${name} was not done after ${ms} ms`
    // What the daemon has got by then it may do all the same.
    const code = isWrite ? 'PARTYD_OUTCOME_UNKNOWN' : 'PARTYD_TIMEOUT'
    const hint = isWrite
      ? 'It may have been done all the same, or be done yet: look before you repeat it.'
      : 'Nothing was changed. Give it more time, or see: partyd doctor <location>.'
    const error = new PartyError(code, message, { operation: name })
    this.#controller.abort(Object.assign(error, { hint }))
  }
}

/** By the user, who knows it. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted')
  }
}
