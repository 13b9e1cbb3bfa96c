// Reading the log of a daemon: its last lines, and what is added to it, also when the daemon or
// somebody else moves the file away meanwhile.

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { TIMES } from '@partyd/shared'
import { isForbidden, mayNotUse } from './find-directory.js'

const BLOCK_BYTES = 65_536
const LINE_FEED = 10

/** How each record of a daemon begins. */
const RECORD = '{"level":'

/**
 * The last lines of a log that pass, oldest first. Those of the file that was moved away come before.
 * @param until where reading ends in the current file.
 */
export function readLastLines(
  path: string,
  count: number,
  until: number,
  passes: (line: string) => boolean
): string[] {
  const lines: string[] = []
  for (const [file, end] of [
    [path, until],
    [`${path}.1`, Number.POSITIVE_INFINITY]
  ] as const) {
    for (const line of partsBackwards(file, end)) {
      if (lines.length >= count) return lines.reverse()
      if (passes(line)) lines.push(line)
    }
  }
  return lines.reverse()
}

function* partsBackwards(path: string, until: number): Generator<string> {
  for (const line of linesBackwards(path, until)) yield* splitGlued(line).reverse()
}

/** What a crashed process wrote without a line feed, and the record that another has put behind it. */
export function splitGlued(line: string): string[] {
  let start = line.indexOf(RECORD, 1)
  if (start === -1 || isJson(line)) return [line]
  while (start !== -1) {
    const record = line.slice(start)
    if (isJson(record)) return [line.slice(0, start), record]
    start = line.indexOf(RECORD, start + 1)
  }
  return [line]
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** From the last line to the first, without holding more of the file than a block and a line. */
function* linesBackwards(path: string, until: number): Generator<string> {
  const fd = openIfThere(path)
  if (fd === undefined) return
  try {
    let position = Math.min(until, fstatSync(fd).size)
    let rest: Buffer = Buffer.alloc(0)
    let isLast = true
    while (position > 0) {
      const length = Math.min(BLOCK_BYTES, position)
      position -= length
      let text = Buffer.concat([readBlock(fd, position, length), rest])
      // What ends a line begins none.
      if (isLast && text.at(-1) === LINE_FEED) text = text.subarray(0, -1)
      isLast = false
      let feed = text.lastIndexOf(LINE_FEED)
      while (feed >= 0) {
        yield text.toString('utf8', feed + 1)
        text = text.subarray(0, feed)
        feed = text.lastIndexOf(LINE_FEED)
      }
      rest = text
    }
    if (!isLast) yield rest.toString()
  } finally {
    closeSync(fd)
  }
}

function readBlock(fd: number, position: number, length: number): Buffer {
  const block = Buffer.allocUnsafe(length)
  return block.subarray(0, readSync(fd, block, 0, length, position))
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw isForbidden(error) ? mayNotUse(path, error) : error
  }
}

/** A log that is being written. Polls: a watch on the directory would see every file of LevelDB. */
export class FollowedLog {
  readonly #path: string
  #fd: number | undefined
  #inode = 0n
  #position = 0
  /** The beginning of a line whose end has not been written yet. */
  #rest: Buffer = Buffer.alloc(0)
  /** When everything up to then had been read, in milliseconds since 1970. */
  #readAt = Date.now()

  /** Begins behind the lines that are there. */
  constructor(path: string) {
    this.#path = path
    this.#open(path)
    if (this.#fd !== undefined) this.#position = endOfLines(this.#fd)
  }

  /** Where the lines end that were there. */
  get position(): number {
    return this.#position
  }

  /** Yields lines for ever. */
  async *lines(): AsyncGenerator<string> {
    for (;;) {
      const lookedAt = Date.now()
      yield* this.#readNew()
      yield* this.#followMove()
      this.#readAt = lookedAt
      await sleep(TIMES.logPoll)
    }
  }

  /** Goes on in the file that has the name now, once the one before has been read to its end. */
  *#followMove(): Generator<string> {
    const there = statSync(this.#path, { bigint: true, throwIfNoEntry: false })
    if (there === undefined) return // It has been moved, and nobody has written since.
    if (there.ino === this.#inode) {
      // Cut off, as some log rotators do.
      if (Number(there.size) < this.#position) this.#position = 0
      return
    }
    yield* this.#readNew()
    yield* this.#readMissed()
    this.#open(this.#path)
    yield* this.#readNew()
  }

  /** When it was moved twice since the last look, the file in between has not been seen at all. */
  *#readMissed(): Generator<string> {
    const path = `${this.#path}.1`
    const there = statSync(path, { bigint: true, throwIfNoEntry: false })
    const isMissed =
      this.#fd !== undefined &&
      there !== undefined &&
      there.ino !== this.#inode &&
      Number(there.birthtimeMs) >= this.#readAt
    if (!isMissed) return
    this.#open(path)
    yield* this.#readNew()
  }

  #open(path: string): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = openIfThere(path)
    this.#position = 0
    this.#rest = Buffer.alloc(0)
    if (this.#fd !== undefined) this.#inode = fstatSync(this.#fd, { bigint: true }).ino
  }

  *#readNew(): Generator<string> {
    if (this.#fd === undefined) return
    for (;;) {
      const block = readBlock(this.#fd, this.#position, BLOCK_BYTES)
      if (block.length === 0) return
      this.#position += block.length
      yield* this.#split(Buffer.concat([this.#rest, block]))
    }
  }

  *#split(text: Buffer): Generator<string> {
    let start = 0
    for (let feed = text.indexOf(LINE_FEED); feed >= 0; feed = text.indexOf(LINE_FEED, start)) {
      yield* splitGlued(text.toString('utf8', start, feed))
      start = feed + 1
    }
    this.#rest = text.subarray(start)
  }
}

/** Behind the last line feed. */
function endOfLines(fd: number): number {
  let end = fstatSync(fd).size
  while (end > 0) {
    const length = Math.min(BLOCK_BYTES, end)
    const feed = readBlock(fd, end - length, length).lastIndexOf(LINE_FEED)
    if (feed >= 0) return end - length + feed + 1
    end -= length
  }
  return 0
}
