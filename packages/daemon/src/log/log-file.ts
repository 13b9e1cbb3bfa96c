// The file that a daemon logs into: one write a line, moved away when it is full, opened again when
// somebody else has moved it. Whatever goes wrong with it, the daemon goes on.

import { closeSync, fstatSync, readSync, renameSync, statSync, writeSync } from 'node:fs'
import { LIMITS, openOwnLog } from '@partyd/shared'

const LINE_FEED = 10

export class LogFile {
  readonly #path: string
  #fd: number | undefined
  #bytes = 0
  /** What the next line begins with: a process that crashed may have left half of one. */
  #lineFeed: '' | '\n' = ''
  /** Only the holder of LevelDB's lock moves the file away: others may be writing to it. */
  #mayRotate = true
  #failure: string | undefined

  constructor(path: string) {
    this.#path = path
    this.reopen()
  }

  /** Why the last line is not in the file; undefined when it is. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Never throws: a log that cannot be written is no reason to serve nobody. */
  write(line: string): void {
    if (this.#mayRotate && this.#bytes + Buffer.byteLength(line) > LIMITS.logBytesMax)
      this.#rotate()
    // Not in a location that is not ours any more: its directory may be about to be removed.
    if (this.#fd === undefined && this.#mayRotate) this.reopen()
    if (this.#fd === undefined) return
    const bytes = Buffer.from(this.#lineFeed + line)
    try {
      // In one piece, for it is appended to what others append.
      writeSync(this.#fd, bytes)
      this.#lineFeed = ''
      this.#bytes += bytes.length
      this.#failure = undefined
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** Goes on in the file that has the name now. What has been written is where it was written to. */
  reopen(): void {
    const previous = this.#fd
    try {
      this.#fd = openOwnLog(this.#path)
      this.#bytes = fstatSync(this.#fd).size
      this.#lineFeed = endsWithLine(this.#fd, this.#bytes) ? '' : '\n'
      if (previous !== undefined) closeSync(previous)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** The location is about to belong to another daemon, and the file with it. */
  leaveInPlace(): void {
    this.#mayRotate = false
  }

  #rotate(): void {
    try {
      if (this.#isInPlace()) renameSync(this.#path, `${this.#path}.1`)
      this.reopen()
    } catch (error) {
      this.#fail(error as Error)
      this.#bytes = 0 // Not at every line: when as much again has been written.
    }
  }

  /** Whether nobody has moved it away, and perhaps made another one. */
  #isInPlace(): boolean {
    const there = statSync(this.#path, { throwIfNoEntry: false })
    return this.#fd !== undefined && there?.ino === fstatSync(this.#fd).ino
  }

  /** Says so where somebody may see it, once. */
  #fail({ message }: Error): void {
    const isNew = this.#failure !== message
    this.#failure = message
    if (isNew) process.stderr.write(`partyd: cannot log to ${this.#path}: ${message}\n`)
  }
}

/** Read through the descriptor that appends, so that it is the end of that file. */
function endsWithLine(fd: number, size: number): boolean {
  if (size === 0) return true
  const last = Buffer.alloc(1)
  return readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === LINE_FEED
}
