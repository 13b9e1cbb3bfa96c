// Writes that go into LevelDB together, or wait to: and what they will have made of a key. Reads of
// a session that has writes here need to know, and cannot ask the database yet.

import type { Write } from './write.js'

export class WriteGroup {
  readonly writes: Write[]
  /** Writes of which it is not known yet what they will do: a clear finds its keys when its turn comes. */
  #unforeseeable = 0
  /** By key, as text of one character a byte; null for a deleted one. Filled only as far as somebody has asked. */
  readonly #values = new Map<string, Buffer | null>()
  #indexed = 0

  constructor(writes: Write[] = []) {
    this.writes = writes
    for (const write of writes) if (write.pairs === undefined) this.#unforeseeable++
  }

  get isForeseeable(): boolean {
    return this.#unforeseeable === 0
  }

  push(write: Write): void {
    this.writes.push(write)
    if (write.pairs === undefined) this.#unforeseeable++
  }

  /** What the key's value will be, null if it will be deleted, undefined if no write touches it. */
  foresee(key: string): Buffer | null | undefined {
    while (this.#indexed < this.writes.length) this.#index(this.writes[this.#indexed++] as Write)
    return this.#values.get(key)
  }

  #index({ pairs = [] }: Write): void {
    for (let index = 0; index < pairs.length; index += 2) {
      const key = pairs[index] as Buffer
      this.#values.set(key.toString('latin1'), pairs[index + 1] ?? null)
    }
  }
}
