// An explicit snapshot: the user's handle on it, and the lease that this client has of the daemon.
// The daemon holds it for one connection; when that is lost, so is the snapshot.

import { KIND, type LevelError, PartyError } from '@partyd/shared'
import { type AbstractLevel, type AbstractResource, AbstractSnapshot } from 'abstract-level'
import { decodeDone } from './answers.js'
import type { Decoder, LinkTie } from './request.js'
import type { Requests } from './requests.js'

/** What a database knows of a snapshot of its own. */
export class SnapshotLease {
  /** What the daemon calls it. */
  readonly number: number
  readonly tie: LinkTie = {
    opener: KIND.snapshotOpen,
    number: 0,
    troubledAt: 0,
    deaths: 0
  }
  readonly requests: Requests
  /** Settles when it is known whether there is one. */
  readonly #opened: Promise<void>
  /** Why there is none. */
  #failure: Error | undefined

  /** Takes the snapshot behind everything that was asked for before. */
  constructor(requests: Requests) {
    this.requests = requests
    this.number = requests.createResourceId()
    this.#opened = this.#open()
  }

  /** The call that takes it is synchronous: those who use it hear that it failed. */
  async #open(): Promise<void> {
    const frame = this.requests.begin(KIND.snapshotOpen)
    frame.uint32(this.number)
    try {
      await this.#await(this.requests.requestOnLink(decodeDone, this.tie))
    } catch (error) {
      this.#failure = error as Error
    }
  }

  /** @throws PartyError `PARTYD_SNAPSHOT_LOST`, or why there is none. */
  assertHeld(): void {
    if (this.#failure !== undefined) throw this.explain(this.#failure)
    if (this.requests.isLost(this.tie)) throw snapshotLost(undefined, undefined)
  }

  /** Sends the read just begun, which makes sense only where the snapshot is. */
  async read<T>(decode: Decoder<T>): Promise<T> {
    return this.settle(this.#await(this.requests.requestOnLink(decode, this.tie)))
  }

  /** An operation that reads from the snapshot, with the errors of one. */
  async settle<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation
    } catch (error) {
      await this.#opened
      throw this.explain(error as Error)
    }
  }

  /** What the error of an operation that reads from the snapshot means. */
  explain(error: Error): Error {
    const { code, operation } = error as LevelError
    if (code !== 'LEVEL_CONNECTION_LOST' && code !== 'PARTYD_SNAPSHOT_LOST') return error
    const failure = this.#failure as LevelError | undefined
    // It never was: that is more to say than that it is not there.
    if (failure !== undefined && failure.code !== 'LEVEL_CONNECTION_LOST') return failure
    return code === 'PARTYD_SNAPSHOT_LOST' ? error : snapshotLost(operation, error)
  }

  /** The daemon need not hold it any longer. */
  release(): void {
    const frame = this.requests.begin(KIND.snapshotClose)
    frame.uint32(this.number)
    this.requests.post(this.tie)
  }

  async #await<T>(operation: Promise<T>): Promise<T> {
    this.requests.hold()
    try {
      return await operation
    } finally {
      this.requests.release()
    }
  }
}

function snapshotLost(operation: string | undefined, cause: Error | undefined): PartyError {
  const progress = operation === 'clear' ? ' How far clear() had come is not known.' : ''
  const message = `The snapshot is lost: it ended with the daemon, or the connection to it, that held it.${progress} Take another one.`
  return new PartyError('PARTYD_SNAPSHOT_LOST', message, { operation, cause })
}

interface SnapshotOptions {
  readonly owner: AbstractLevel<unknown, unknown, unknown>
}

/** abstract-level's types leave out what implementations hand to its constructor. */
const OwnedSnapshot: new (options: SnapshotOptions) => AbstractSnapshot = AbstractSnapshot as never

/** Ends the leases of snapshots that nobody has any more. */
const forgotten = new FinalizationRegistry<Attachment>((attachment) => attachment.release())

export class PartySnapshot extends OwnedSnapshot {
  readonly lease: SnapshotLease
  readonly #attachment: Attachment

  constructor(requests: Requests, options: SnapshotOptions) {
    super(options)
    const { owner } = options
    // The base class has just made the owner hold this object, and then it would never be collected.
    owner.detachResource(this)
    this.lease = new SnapshotLease(requests)
    this.#attachment = new Attachment(this, this.lease, owner)
    owner.attachResource(this.#attachment)
    forgotten.register(this, this.#attachment, this)
  }

  /** @internal */
  async _close(): Promise<void> {
    forgotten.unregister(this)
    this.#attachment.release()
  }
}

/** Stands for a snapshot among its owner's resources, and does not hold it. */
class Attachment implements AbstractResource {
  readonly #snapshot: WeakRef<PartySnapshot>
  readonly #lease: SnapshotLease
  readonly #owner: SnapshotOptions['owner']

  constructor(snapshot: PartySnapshot, lease: SnapshotLease, owner: SnapshotOptions['owner']) {
    this.#snapshot = new WeakRef(snapshot)
    this.#lease = lease
    this.#owner = owner
  }

  /** The owner closes: so does the snapshot, when the operations on it are done. */
  async close(): Promise<void> {
    await this.#snapshot.deref()?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  release(): void {
    this.#owner.detachResource(this)
    this.#lease.release()
  }
}

/**
 * The lease behind a snapshot that an operation was given, for use at once; undefined without one.
 * @throws what `findLease` and `assertHeld` throw.
 */
export function useLease(snapshot: unknown, requests: Requests): SnapshotLease | undefined {
  const lease = findLease(snapshot, requests)
  lease?.assertHeld()
  return lease
}

/** @throws TypeError when it is not a snapshot of that database. */
export function findLease(snapshot: unknown, requests: Requests): SnapshotLease | undefined {
  if (snapshot === undefined || snapshot === null) return undefined
  if (!(snapshot instanceof PartySnapshot) || snapshot.lease.requests !== requests) {
    throw new TypeError("The option 'snapshot' must be a snapshot of this database")
  }
  return snapshot.lease
}
