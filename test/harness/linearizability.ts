// Decides whether what clients saw of one register can have happened one operation at a time: Wing
// and Gong's search with Lowe's memoisation, as in Porcupine. Recording a history is not its concern.

/** A read or a write of one key. */
export interface Operation {
  /** Names it in a failure's message. */
  readonly id: string
  readonly kind: 'read' | 'write'
  /** What was read or written; undefined for nothing. */
  readonly value: string | undefined
  /** On a clock that all clients share. */
  readonly invokedAt: number
  /** Infinity when nobody knows whether it took effect: then it may have, at any later time. */
  readonly returnedAt: number
}

export interface Verdict {
  readonly isLinearizable: boolean
  /** How many placements of operations were tried. */
  readonly steps: number
  /** When it is not linearizable: the operation that no order has room for, and those around it. */
  readonly conflict: string
}

/** How often the search looks at the clock. */
const STEPS_PER_LOOK = 1024

/**
 * @param deadline in milliseconds since 1970.
 * @throws Error when the deadline passes before there is a verdict: that is neither a yes nor a no.
 */
export function checkRegister(history: readonly Operation[], deadline: number): Verdict {
  return new Search(history).run(deadline)
}

/** An event of the history: the call of an operation, or its return. */
interface Event {
  readonly at: number
  readonly operation: number
  readonly isCall: boolean
}

/** A point of the search: what was placed before it, and which writes may come next. */
interface Fork {
  readonly placed: number
  readonly state: number
  readonly choices: readonly number[]
  tried: number
}

/**
 * Places one operation after the other. A read of what the register has is placed as soon as it can
 * be, since it changes nothing. Writes are what the search tries out; of those with the same effect
 * only the one that must return first, since the others can take its place later.
 */
class Search {
  /** Those with a known return first, in the order of their calls, and then those without. */
  readonly #operations: readonly Operation[]
  readonly #completed: number
  /** The value of each operation as a number; 0 is nothing, which is also how the register begins. */
  readonly #values: Int32Array
  /** By value: operations not placed yet. */
  readonly #readsLeft: Int32Array
  readonly #writesLeft: Int32Array
  /** Calls and returns of the operations not placed yet, as a list; 0 is its head. */
  readonly #events: readonly Event[]
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #calls: Int32Array
  readonly #returns: Int32Array

  readonly #isPlaced: Uint8Array
  /** Operations with a known return that are not placed yet. */
  #remaining: number
  #state = 0
  /** The operations placed, in order. */
  readonly #order: number[] = []
  readonly #seen = new Set<string>()
  #steps = 0
  #deepest = -1
  #conflict = ''

  constructor(history: readonly Operation[]) {
    const operations = history
      .filter(isRelevant(history))
      .sort((left, right) => left.invokedAt - right.invokedAt)
    const completed = operations.filter(isCompleted)
    this.#operations = [...completed, ...operations.filter((each) => !isCompleted(each))]
    this.#completed = completed.length
    this.#remaining = completed.length
    this.#isPlaced = new Uint8Array(operations.length)
    this.#values = numberValues(this.#operations)
    this.#readsLeft = new Int32Array(operations.length + 1)
    this.#writesLeft = new Int32Array(operations.length + 1)
    for (let index = 0; index < operations.length; index++) this.#count(index, 1)
    this.#events = listEvents(this.#operations)
    const count = this.#events.length
    this.#next = Int32Array.from({ length: count }, (_, index) => (index + 1) % count)
    this.#previous = Int32Array.from({ length: count }, (_, index) => (index + count - 1) % count)
    this.#calls = new Int32Array(operations.length)
    this.#returns = new Int32Array(operations.length)
    for (const [index, { isCall, operation }] of this.#events.entries()) {
      if (index > 0) (isCall ? this.#calls : this.#returns)[operation] = index
    }
  }

  run(deadline: number): Verdict {
    this.#placeReads()
    const forks = [this.#fork(0, 0)]
    for (let fork = forks.at(-1); fork !== undefined; fork = forks.at(-1)) {
      if (this.#remaining === 0) return this.#verdict(true)
      if (this.#steps++ % STEPS_PER_LOOK === 0 && Date.now() > deadline) throw this.#undecided()
      const choice = fork.choices[fork.tried++]
      if (choice === undefined) {
        forks.pop()
        this.#takeBack(fork)
        continue
      }
      const { length } = this.#order
      const state = this.#state
      this.#place(choice)
      this.#state = this.#values[choice] as number
      this.#placeReads()
      forks.push(this.#fork(length, state))
    }
    return this.#verdict(this.#remaining === 0)
  }

  /** Every read of the present state whose turn it can be: no other operation must come before it. */
  #placeReads(): void {
    for (const operation of this.#enabled()) {
      if (this.#isRead(operation) && this.#values[operation] === this.#state) this.#place(operation)
    }
  }

  /** @param placed and @param state: what to go back to. */
  #fork(placed: number, state: number): Fork {
    const configuration = this.#describe()
    const choices = this.#seen.has(configuration) ? [] : this.#listChoices()
    this.#seen.add(configuration)
    if (choices.length === 0 && this.#remaining > 0) this.#noteConflict()
    return { placed, state, choices, tried: 0 }
  }

  #listChoices(): number[] {
    // Who overwrites a value that must still be read, and that nobody will write again, is wrong.
    if (this.#readsOf(this.#state) > 0 && this.#writesLeft[this.#state] === 0) return []
    const first = new Map<number, number>()
    for (const operation of this.#enabled()) {
      if (this.#isRead(operation)) continue
      const effect = this.#effectOf(this.#values[operation] as number)
      const other = first.get(effect)
      if (other === undefined || this.#returnOf(operation) < this.#returnOf(other)) {
        first.set(effect, operation)
      }
    }
    return [...first.values()].sort((left, right) => this.#returnOf(left) - this.#returnOf(right))
  }

  /** Operations not placed yet that were called before any of them returned. */
  *#enabled(): Generator<number> {
    for (let index = this.#next[0] as number; index !== 0; index = this.#next[index] as number) {
      const { isCall, operation } = this.#events[index] as Event
      if (isCall) yield operation
      else if (this.#isPlaced[operation] === 0) return
    }
  }

  /** A value that nobody will read any more is as good as any other such value. */
  #effectOf(value: number): number {
    return this.#readsOf(value) > 0 ? value : -1
  }

  #readsOf(value: number): number {
    return this.#readsLeft[value] as number
  }

  #isRead(operation: number): boolean {
    return this.#operations[operation]?.kind === 'read'
  }

  #returnOf(operation: number): number {
    return (this.#operations[operation] as Operation).returnedAt
  }

  #place(operation: number): void {
    this.#isPlaced[operation] = 1
    if (operation < this.#completed) this.#remaining--
    this.#count(operation, -1)
    this.#unlink(this.#calls[operation] as number)
    this.#unlink(this.#returns[operation] as number)
    this.#order.push(operation)
  }

  #takeBack({ placed, state }: Fork): void {
    while (this.#order.length > placed) {
      const operation = this.#order.pop() as number
      this.#relink(this.#returns[operation] as number)
      this.#relink(this.#calls[operation] as number)
      this.#count(operation, 1)
      if (operation < this.#completed) this.#remaining++
      this.#isPlaced[operation] = 0
    }
    this.#state = state
  }

  #count(operation: number, change: number): void {
    const left = this.#isRead(operation) ? this.#readsLeft : this.#writesLeft
    const value = this.#values[operation] as number
    left[value] = (left[value] as number) + change
  }

  /**
   * What is placed and the state it led to. In the order of their calls, those with a known return
   * are placed but for a few; of the others few are placed: a short text, however long the history.
   */
  #describe(): string {
    let text = `${this.#effectOf(this.#state)}`
    for (const operation of this.#enabled())
      if (operation < this.#completed) text += ` ${operation}`
    for (let index = this.#completed; index < this.#isPlaced.length; index++) {
      if (this.#isPlaced[index] === 1) text += ` +${index}`
    }
    return text
  }

  #unlink(event: number): void {
    const next = this.#next[event] as number
    const previous = this.#previous[event] as number
    this.#next[previous] = next
    this.#previous[next] = previous
  }

  #relink(event: number): void {
    this.#next[this.#previous[event] as number] = event
    this.#previous[this.#next[event] as number] = event
  }

  /** Where the search had come farthest when it could not go on. */
  #noteConflict(): void {
    if (this.#order.length <= this.#deepest) return
    this.#deepest = this.#order.length
    const waiting = [...this.#enabled()].slice(0, 12).map((each) => this.#nameOf(each))
    const placed = this.#order.slice(-8).map((each) => this.#nameOf(each))
    this.#conflict = `no order for\n  ${waiting.join('\n  ')}\nbehind\n  ${placed.join('\n  ')}`
  }

  #nameOf(index: number): string {
    const { id, kind, value, invokedAt, returnedAt } = this.#operations[index] as Operation
    return `${id}: ${kind} ${value ?? 'nothing'} in [${invokedAt}, ${returnedAt}]`
  }

  #verdict(isLinearizable: boolean): Verdict {
    return {
      isLinearizable,
      steps: this.#steps,
      conflict: isLinearizable ? '' : this.#conflict
    }
  }

  #undecided(): Error {
    return new Error(
      `No verdict in time: ${this.#steps} steps, ${this.#remaining} of ${this.#completed} operations left`
    )
  }
}

function isCompleted({ returnedAt }: Operation): boolean {
  return returnedAt !== Number.POSITIVE_INFINITY
}

/**
 * A read without a return says nothing, and a value in doubt that nobody read may as well have been
 * written when all was over. To leave them out is what keeps the search short.
 */
function isRelevant(history: readonly Operation[]): (operation: Operation) => boolean {
  const read = new Set<string | undefined>()
  for (const { kind, value, returnedAt } of history) {
    if (kind === 'read' && returnedAt !== Number.POSITIVE_INFINITY) read.add(value)
  }
  return (operation) =>
    isCompleted(operation) || (operation.kind === 'write' && read.has(operation.value))
}

function numberValues(operations: readonly Operation[]): Int32Array {
  const numbers = new Map<string | undefined, number>([[undefined, 0]])
  return Int32Array.from(operations, ({ value }) => {
    const number = numbers.get(value) ?? numbers.size
    numbers.set(value, number)
    return number
  })
}

/** In the order of time, behind a head. Of two at the same time the call is first: they overlap. */
function listEvents(operations: readonly Operation[]): Event[] {
  const events: Event[] = []
  for (const [operation, { invokedAt, returnedAt }] of operations.entries()) {
    events.push({ at: invokedAt, operation, isCall: true })
    events.push({ at: returnedAt, operation, isCall: false })
  }
  events.sort((left, right) => {
    if (left.at !== right.at) return left.at < right.at ? -1 : 1
    return Number(right.isCall) - Number(left.isCall)
  })
  return [{ at: Number.NEGATIVE_INFINITY, operation: -1, isCall: false }, ...events]
}
