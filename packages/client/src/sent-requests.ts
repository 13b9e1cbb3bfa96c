// The requests that were sent and not answered yet, by id. Plain slots and not a Map: while entries
// come and go, a Map leaves tables behind that keep answered requests alive, and a quarter of all
// that is allocated survives (seen in the time that the garbage collector took).

import type { Request } from './request.js'

export class SentRequests {
  /** A request's id is its index here. Id 0 is for what has no answer. */
  readonly #slots: (Request | undefined)[] = [undefined]
  readonly #freeIds: number[] = []
  /** Numbers requests in the order sent, which their ids do not tell. */
  #sentCount = 0

  get size(): number {
    return this.#slots.length - 1 - this.#freeIds.length
  }

  /** Takes in a request and gives it an id, which no other unanswered one has. */
  add(request: Request): void {
    request.id = this.#freeIds.pop() ?? this.#slots.length
    request.order = ++this.#sentCount
    // What an earlier link had answered of it counts for nothing: this one answers from the beginning.
    request.parts = undefined
    this.#slots[request.id] = request
  }

  get(id: number): Request | undefined {
    return this.#slots[id]
  }

  /** Of a request that was never sent there is nothing to remove. */
  remove(request: Request): void {
    const { id } = request
    if (id === 0) return
    request.id = 0
    this.#slots[id] = undefined
    this.#freeIds.push(id)
  }

  /** In no particular order. */
  *[Symbol.iterator](): IterableIterator<Request> {
    for (const request of this.#slots) if (request !== undefined) yield request
  }

  /** Takes out all of them, in the order sent. */
  drain(): Request[] {
    const requests = [...this].sort((left, right) => left.order - right.order)
    for (const request of requests) this.remove(request)
    return requests
  }
}
