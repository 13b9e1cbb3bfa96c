// A read among the writes of the commit queue: its value is found when it joins them, and told when
// everything before it is in the database.

import type { Bytes } from '@partyd/shared'
import type { Write } from './write.js'

const NOTHING: readonly undefined[] = []

export class ForeseenRead implements Write {
  readonly sync = false
  readonly pairs: readonly undefined[] = NOTHING
  readonly operations = 0
  readonly bytes = 0
  readonly key: Buffer
  /** What the key's value will be. */
  value: Bytes | undefined = undefined
  readonly #onValue: (value: Bytes | undefined) => void

  constructor(key: Buffer, onValue: (value: Bytes | undefined) => void) {
    this.key = key
    this.#onValue = onValue
  }

  fill(): void {}

  onCommitted(): undefined {
    this.#onValue(this.value)
  }
}
