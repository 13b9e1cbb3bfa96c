// What an import reads, line by line: a file or standard input, of which it knows how far it has come.

import { type FileHandle, open } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { CommandError, UsageError } from '../failure.js'
import { ExportReader, HEADER_LINE, type LineError } from './export-format.js'
import { type LineBlock, readLineBlocks } from './line-blocks.js'

const READ_BYTES = 1_048_576

export class Source {
  readonly #blocks: AsyncGenerator<LineBlock>
  /** Looked at, and still to be read. */
  #next: LineBlock | undefined
  /** Empty ones, before that. */
  #linesPassed = 0
  /** 0 if it is not known. */
  readonly #size: number
  #bytesRead = 0
  /** Of the line read last. */
  line = 0
  /** Whether that is the last one, and without an end. */
  isCut = false

  private constructor(stream: Readable, size: number, signal: AbortSignal) {
    this.#blocks = readLineBlocks(addAbortSignal(signal, stream))
    this.#size = size
  }

  /** @throws UsageError when it cannot be read. */
  static async open(path: string | undefined, signal: AbortSignal): Promise<Source> {
    if (path === undefined || path === '-') return new Source(process.stdin, 0, signal)
    let file: FileHandle
    try {
      file = await open(path)
      if ((await file.stat()).isDirectory()) throw new Error('it is a directory')
    } catch (error) {
      throw new UsageError(`cannot read ${path}: ${(error as Error).message}`)
    }
    const { size } = await file.stat()
    return new Source(file.createReadStream({ highWaterMark: READ_BYTES }), size, signal)
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  get fraction(): number | undefined {
    return this.#size === 0 ? undefined : this.#bytesRead / this.#size
  }

  /**
   * Looks at the first line before anything is made for what follows it.
   * @throws LineError when it is not that of an export · CommandError when there is nothing at all.
   */
  async checkBeginning(): Promise<void> {
    this.#next = await this.#passEmptyLines()
    if (this.#next === undefined) {
      const hint = `An export has a line ${HEADER_LINE.trim()} even without entries. Nothing was written.`
      throw new CommandError('PARTYD_INVALID_INPUT', 'the input is empty and no export', hint)
    }
    const { lines, isCut } = this.#next
    const index = lines.findIndex((line) => line !== '')
    this.line = this.#linesPassed + index + 1
    new ExportReader(1).read(lines[index] as string | LineError, this.line, isCut)
  }

  /** @returns the first block that has more than those. */
  async #passEmptyLines(): Promise<LineBlock | undefined> {
    for (;;) {
      const { value, done } = await this.#blocks.next()
      if (done) return undefined
      if (value.lines.some((line) => line !== '')) return value
      this.#linesPassed += value.lines.length
    }
  }

  /** Runs `use` on each line, be it text or what is wrong with it. */
  async forEachLine(use: (line: string | LineError) => Promise<void> | undefined): Promise<void> {
    this.line = this.#linesPassed
    if (this.#next !== undefined) await this.#readBlock(this.#next, use)
    this.#next = undefined
    for await (const block of this.#blocks) await this.#readBlock(block, use)
  }

  async #readBlock(
    { lines, bytesRead, isCut }: LineBlock,
    use: (line: string | LineError) => Promise<void> | undefined
  ): Promise<void> {
    this.isCut = isCut
    for (const line of lines) {
      this.line++
      const isBusy = use(line)
      if (isBusy !== undefined) await isBusy
    }
    this.#bytesRead = bytesRead
  }
}
