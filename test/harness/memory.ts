// How much memory a process has of its own, and how much it had at its worst. Linux only.

import { readFileSync, writeFileSync } from 'node:fs'

/** Megabytes that are the process's own and not a file's. */
export function ownMegabytes(pid: number): number {
  return readMegabytes(pid, 'RssAnon')
}

/** Follows a process from here on. */
export class MemoryWatch {
  readonly before: number
  #peak: number
  readonly #pid: number
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    this.#pid = pid
    // The kernel forgets the peak so far: proc(5), clear_refs.
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
    this.before = ownMegabytes(pid)
    this.#peak = this.before
    this.#timer = setInterval(() => this.#look(), 20)
  }

  /** Megabytes by which it has grown, at its worst. */
  get growth(): number {
    return this.#peak - this.before
  }

  stop(): void {
    this.#look()
    clearInterval(this.#timer)
  }

  /** The kernel's peak counts files too, but misses nothing while this process is busy. */
  #look(): void {
    const peak = readMegabytes(this.#pid, 'VmHWM') - readMegabytes(this.#pid, 'RssFile')
    this.#peak = Math.max(this.#peak, ownMegabytes(this.#pid), peak)
  }
}

function readMegabytes(pid: number, field: 'RssAnon' | 'RssFile' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024
}
