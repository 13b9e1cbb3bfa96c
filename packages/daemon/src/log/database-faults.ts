// Errors of the disk that operations have met although the database opened: for whoever looks after it,
// because the client that was told may have been a program that nobody watches.

import { type LevelError, toWireError } from '@partyd/shared'

export interface DatabaseFault {
  readonly code: string
  readonly message: string
  /** Milliseconds since 1970. */
  readonly at: number
}

const CODES: ReadonlySet<string | undefined> = new Set(['LEVEL_CORRUPTION', 'LEVEL_IO_ERROR'])
/** How often one is told of. */
const TOLD_EVERY_MS = 10_000

export class DatabaseFaults {
  #last: DatabaseFault | undefined
  #toldAt = Number.NEGATIVE_INFINITY
  readonly #onFault: (fault: DatabaseFault) => void

  constructor(onFault: (fault: DatabaseFault) => void) {
    this.#onFault = onFault
  }

  get last(): DatabaseFault | undefined {
    return this.#last
  }

  /** @param error any that an operation is answered with. */
  note(error: unknown): void {
    if (!CODES.has((error as LevelError | undefined)?.code)) return
    const { code, message } = toWireError(error)
    this.#last = { code, message, at: Date.now() }
    if (performance.now() - this.#toldAt < TOLD_EVERY_MS) return
    this.#toldAt = performance.now()
    this.#onFault(this.#last)
  }
}
