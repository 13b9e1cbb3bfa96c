// How much memory a process has of its own, and how much it had at its worst. Linux only.

import { readFileSync } from 'node:fs'

/** Megabytes that are the process's own and not a file's. */
export function ownMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

/** Looks again and again until it is stopped. */
export class MemoryWatch {
  readonly before: number
  peak: number
  readonly #pid: number
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    this.#pid = pid
    this.before = ownMegabytes(pid)
    this.peak = this.before
    this.#timer = setInterval(() => this.#look(), 5)
  }

  /** Megabytes by which it has grown, at its worst. */
  get growth(): number {
    return this.peak - this.before
  }

  stop(): void {
    this.#look()
    clearInterval(this.#timer)
  }

  #look(): void {
    this.peak = Math.max(this.peak, ownMegabytes(this.#pid))
  }
}
