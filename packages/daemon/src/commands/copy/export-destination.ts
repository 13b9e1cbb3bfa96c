// Where an export goes: standard output, or a file that is there once it is complete.

import { type FileHandle, open } from 'node:fs/promises'
import { UsageError } from '../failure.js'
import type { Output } from '../output.js'
import { fileIsTaken, findTarget, PartialTarget, writeError } from './partial-target.js'

export interface ExportDestination {
  /** Resolves when there is room for more. */
  write(bytes: Buffer): Promise<void>
  complete(): Promise<void>
  discard(): Promise<void>
}

export class StandardOutput implements ExportDestination {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  write(bytes: Buffer): Promise<void> {
    return this.#output.write(bytes)
  }

  async complete(): Promise<void> {}

  /** What has been read of it cannot be taken back; its last line is missing. */
  async discard(): Promise<void> {}
}

export class ExportFile implements ExportDestination {
  readonly #partial: PartialTarget
  readonly #file: FileHandle
  readonly #path: string
  /** One write is under way while the next bytes are made. */
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, partial: PartialTarget, file: FileHandle) {
    this.#path = path
    this.#partial = partial
    this.#file = file
  }

  /** @param target as {@link findFile} gave it. */
  static async create(target: string, mayReplace: boolean): Promise<ExportFile> {
    const partial = new PartialTarget(target, mayReplace ? 'replacing file' : 'new file')
    try {
      // As private as the database.
      return new ExportFile(target, partial, await open(partial.path, 'wx', 0o600))
    } catch (error) {
      throw writeError(target, error as Error)
    }
  }

  async write(bytes: Buffer): Promise<void> {
    await this.#written()
    this.#writing = this.#file.writeFile(bytes)
    // Whoever writes next hears of the error.
    this.#writing.catch(() => {})
  }

  async complete(): Promise<void> {
    await this.#written()
    try {
      await this.#file.sync()
      await this.#file.close()
      this.#partial.complete()
    } catch (error) {
      if (error instanceof UsageError) throw error
      throw writeError(this.#path, error as Error)
    }
  }

  async discard(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#file.close().catch(() => {}) // It may be closed by now.
    this.#partial.discard()
  }

  async #written(): Promise<void> {
    try {
      await this.#writing
    } catch (error) {
      throw writeError(this.#path, error as Error)
    }
  }
}

/** @throws UsageError when the file is there and may not be replaced. */
export function findFile(path: string, mayReplace: boolean): string {
  return findTarget(path, (found) => {
    if (found.isFile()) {
      if (mayReplace) return true
      throw fileIsTaken(path)
    }
    // A device, or a pipe: a new file in its place is not what is meant.
    throw new UsageError(`${path} is no file`, `To write to it: partyd export <location> > ${path}`)
  })
}
