// The database that a backup becomes, while it is written. Loaded by `partyd backup` only: LevelDB is
// native code.

import { mkdirSync } from 'node:fs'
import { Database } from '../../store/database.js'
import type { Entry } from './export-format.js'
import { PartialTarget, syncDirectory, writeError } from './partial-target.js'

export class BackupWriter {
  readonly #partial: PartialTarget
  readonly #database: Database
  /** One batch is being written while the next one is on the way here. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(partial: PartialTarget, database: Database) {
    this.#partial = partial
    this.#database = database
  }

  static async create(target: string): Promise<BackupWriter> {
    const partial = new PartialTarget(target, 'directory')
    try {
      mkdirSync(partial.path, { mode: 0o700 })
    } catch (error) {
      throw writeError(target, error as Error)
    }
    const options = { createIfMissing: true, errorIfExists: true }
    return new BackupWriter(partial, await Database.open(partial.path, options))
  }

  async write(entries: readonly Entry[]): Promise<void> {
    const batch = this.#database.batch()
    for (const [key, value] of entries) batch.put(key, value)
    await this.#writing
    this.#writing = batch.write(false)
    this.#writing.catch(() => {}) // Whoever writes next hears of the error.
  }

  /** Resolves when the backup has its name, and is on the disk. */
  async complete(): Promise<void> {
    await this.#writing
    // Has LevelDB make tables, which it syncs, of what is in its logs, which it does not.
    await this.#database.compactRange(Buffer.alloc(1), Buffer.alloc(1))
    await this.#database.close()
    syncDirectory(this.#partial.path)
    this.#partial.complete()
  }

  async discard(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#database.close()
    this.#partial.discard()
  }
}
