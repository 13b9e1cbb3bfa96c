// The order of one session's operations: they take effect in the order issued. A read waits for
// the session's earlier writes, a write for its earlier reads, and everything for a clear.

import type { Bytes } from '@partyd/shared'
import { AtomicWrite, type OnDecided } from '../store/atomic-write.js'
import type { CommitQueue } from '../store/commit-queue.js'
import { ForeseenRead } from '../store/foreseen-read.js'
import type { ReadPath } from '../store/read-path.js'
import type { ClearProgress } from '../store/session-records.js'
import type { Write } from '../store/write.js'
import type { WriteGroup } from '../store/write-group.js'
import {
  type ClearOptions,
  ClearWrite,
  DataWrite,
  type OnCommitted,
  type Pairs,
  type SequencePlace
} from '../store/writes.js'
import type { Engine } from './engine.js'

/** An operation that waits for those before it. A clear is both: it reads first and then writes. */
type HeldOperation =
  | { readonly kind: 'read'; readonly run: () => void; readonly foresee?: (() => void) | undefined }
  | { readonly kind: 'write'; readonly write: Write }
  | { readonly kind: 'clear'; readonly write: ClearWrite }

export class SessionOrder {
  readonly #queue: CommitQueue
  readonly #readPath: ReadPath
  readonly #onLess: () => void
  /** Writes in the commit queue, and reads among them. */
  #uncommitted = 0
  #pendingBytes = 0
  /** The group that the last of them joined; undefined when all are in. */
  #lastGroup: WriteGroup | undefined
  /** The clear for which everything behind it waits. */
  #clearing: ClearWrite | undefined
  readonly #held: HeldOperation[] = []
  #status: 'open' | 'retired' = 'open'
  #whenCommitted: (() => void)[] = []

  /** @param onLess told when less waits here than before: whoever had enough may have room for more. */
  constructor(
    { commitQueue, readPath }: Pick<Engine, 'commitQueue' | 'readPath'>,
    onLess: () => void = () => {}
  ) {
    this.#queue = commitQueue
    this.#readPath = readPath
    this.#onLess = onLess
  }

  /** Whether a read may run at once. */
  get isReadable(): boolean {
    return this.#uncommitted === 0 && this.#held.length === 0
  }

  /** Operations that are not done, but for reads under way. */
  get pendingOperations(): number {
    return this.#uncommitted + this.#held.length
  }

  /** Bytes of the puts and dels among them. */
  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /**
   * @param run when it is its turn.
   * @param foresee instead, as soon as nothing keeps it but writes of which it is known what they
   * will do. It calls `foresee` here.
   */
  read(run: () => void, foresee?: () => void): void {
    const operation = { kind: 'read', run, foresee } as const
    if (this.#held.length === 0 && this.#mayGo(operation)) this.#start(operation)
    else this.#hold(operation)
  }

  /**
   * Reads what will be there when the writes in the queue are, so that the read does not keep later
   * writes out of their batch. To be called by `read` only.
   */
  foresee(
    key: Buffer,
    readNow: () => Bytes | undefined,
    onValue: (value: Bytes | undefined) => void
  ): void {
    const read = new ForeseenRead(key, (value) => {
      onValue(value)
      this.#onCommitted()
    })
    this.#queue.foresee(read, this.#lastGroup as WriteGroup, readNow)
    this.#uncommitted++
  }

  /**
   * @param pairs key, value, key, value, …; a missing value deletes.
   * @param result other than `ok` for a write that was refused.
   */
  write(
    pairs: Pairs,
    sync: boolean,
    place: SequencePlace | undefined,
    result: number,
    onCommitted: OnCommitted
  ): void {
    const write = new DataWrite(pairs, sync, place, result, () => {
      this.#pendingBytes -= write.bytes
      onCommitted()
      this.#onCommitted()
    })
    this.#submit(write)
  }

  /** @param checks as the pairs of a write; a missing value: there must be no such key. */
  atomic(
    checks: Pairs,
    pairs: Pairs,
    sync: boolean,
    place: SequencePlace | undefined,
    onDecided: OnDecided
  ): void {
    const write = new AtomicWrite(checks, pairs, sync, place, (result, error) => {
      this.#pendingBytes -= write.bytes
      onDecided(result, error)
      this.#onCommitted()
    })
    this.#submit(write)
  }

  #submit(write: Write): void {
    this.#pendingBytes += write.bytes
    if (this.#held.length === 0 && this.#clearing === undefined) this.#enqueue(write)
    else this.#hold({ kind: 'write', write })
  }

  /** @param progress of the same clear, if it was cut short. */
  clear(
    options: ClearOptions,
    place: SequencePlace | undefined,
    progress: ClearProgress | undefined,
    onCommitted: OnCommitted
  ): void {
    const write = new ClearWrite(options, place, progress, (error) => {
      this.#clearing = undefined
      onCommitted(error)
      this.#onCommitted()
    })
    this.#hold({ kind: 'clear', write })
    this.#release()
  }

  /**
   * Drops what still waits, and resolves when what is in the commit queue is in the database: of a
   * clear, the step under way.
   */
  async retire(): Promise<void> {
    this.#status = 'retired'
    this.#held.length = 0
    this.#clearing?.cancel()
    if (this.#uncommitted === 0) return
    await new Promise<void>((resolve) => this.#whenCommitted.push(resolve))
  }

  #hold(operation: HeldOperation): void {
    if (this.#status === 'open') this.#held.push(operation)
  }

  #enqueue(write: Write): void {
    this.#uncommitted++
    this.#lastGroup = this.#queue.waiting
    this.#queue.enqueue(write)
  }

  #onCommitted(): void {
    if (--this.#uncommitted === 0) this.#lastGroup = undefined
    this.#release()
    // Behind all that has been let go: told before, it would find as much waiting as ever.
    this.#onLess()
    if (this.#uncommitted > 0) return
    for (const resolve of this.#whenCommitted.splice(0)) resolve()
  }

  /** Lets go of what has waited long enough, in order. */
  #release(): void {
    for (let held = this.#held[0]; held !== undefined && this.#mayGo(held); held = this.#held[0]) {
      this.#held.shift()
      this.#start(held)
    }
  }

  #mayGo(operation: HeldOperation): boolean {
    if (this.#clearing !== undefined) return false
    if (operation.kind === 'write' || this.#uncommitted === 0) return true
    return operation.kind === 'read' && operation.foresee !== undefined && this.#isForeseeable
  }

  get #isForeseeable(): boolean {
    return this.#lastGroup !== undefined && this.#queue.isForeseeable && this.#readPath.isQuick
  }

  #start(operation: HeldOperation): void {
    switch (operation.kind) {
      case 'read':
        return this.#uncommitted === 0 ? operation.run() : operation.foresee?.()
      case 'clear':
        this.#clearing = operation.write
        return this.#enqueue(operation.write)
      case 'write':
        return this.#enqueue(operation.write)
    }
  }
}
