// Requests that wait for a daemon or for room in the write window, oldest first.

import { LIMITS } from '@partyd/shared'
import type { Request } from './request.js'

export class RequestQueue {
  #requests: Request[] = []
  /** Index of the oldest: shifting an array of a million moves the other 999,999. */
  #head = 0
  #bytes = 0

  get isEmpty(): boolean {
    return this.#head === this.#requests.length
  }

  get isFull(): boolean {
    return (
      this.#requests.length - this.#head >= LIMITS.pendingOperationsMax ||
      this.#bytes >= LIMITS.pendingBytesMax
    )
  }

  push(request: Request): void {
    this.#requests.push(request)
    this.#bytes += request.bytes
  }

  peek(): Request | undefined {
    return this.#requests[this.#head]
  }

  shift(): void {
    const request = this.#requests[this.#head]
    if (request === undefined) return
    this.#bytes -= request.bytes
    this.#head++
    if (this.#head === this.#requests.length) this.#reset([])
    else if (this.#head > 1024 && this.#head * 2 > this.#requests.length) {
      this.#reset(this.#requests.slice(this.#head))
    }
  }

  /** Puts requests that have waited before in front of all others. */
  unshift(requests: readonly Request[]): void {
    if (requests.length === 0) return
    this.#reset([...requests, ...this.#requests.slice(this.#head)])
    for (const request of requests) this.#bytes += request.bytes
  }

  [Symbol.iterator](): IterableIterator<Request> {
    return this.#requests.slice(this.#head).values()
  }

  /** Takes out the requests that are wanted. */
  take(isWanted: (request: Request) => boolean): Request[] {
    const all = this.drain()
    const taken: Request[] = []
    for (const request of all) {
      if (isWanted(request)) taken.push(request)
      else this.push(request)
    }
    return taken
  }

  drain(): Request[] {
    const requests = this.#requests.slice(this.#head)
    this.#reset([])
    this.#bytes = 0
    return requests
  }

  #reset(requests: Request[]): void {
    this.#requests = requests
    this.#head = 0
  }
}
