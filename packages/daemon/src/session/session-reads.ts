// The reads of a session by key: a single one on the spot where that is fastest, all others in the
// thread pool, each once it is its turn in session order.

import { type Bytes, type FrameReader, KIND, LIMITS, READ_FLAGS } from '@partyd/shared'
import type { Snapshot } from '../store/database.js'
import { isHidden } from '../store/key-space.js'
import { explainSnapshot } from '../store/lost-snapshot.js'
import { readKeys, readSnapshotNumber } from './request-fields.js'
import type { SessionContext } from './session-context.js'

export class SessionReads {
  readonly #session: SessionContext
  /** Keys being read in the thread pool, or waiting for their turn. */
  #inFlight = 0
  #status: 'open' | 'closed' = 'open'

  constructor(session: SessionContext) {
    this.#session = session
  }

  /** Whether as much is under way as a session may have: fewer where values are large, for all are in memory at once. */
  get isSaturated(): boolean {
    if (this.#inFlight === 0) return false
    const { readPath } = this.#session.engine
    return (
      this.#inFlight >= Math.min(LIMITS.readsInFlightMax, readPath.countFor(LIMITS.readBytesMax))
    )
  }

  /** What is under way ends early. */
  close(): void {
    this.#status = 'closed'
  }

  onGet(reader: FrameReader): void {
    const { id } = reader
    const { order, answers } = this.#session
    const flags = reader.uint8()
    if ((flags & READ_FLAGS.snapshot) !== 0) return this.#onSnapshotGet(reader, flags)
    const fillCache = fillsCache(flags)
    const key = reader.tail()
    if (isHidden(key)) return answers.value(id, undefined)
    if (order.isReadable) return this.#get(id, key, fillCache)
    order.read(
      () => this.#get(id, key, fillCache),
      () => this.#foresee(id, key, fillCache)
    )
  }

  #get(id: number, key: Buffer, fillCache: boolean): void {
    const { readPath } = this.#session.engine
    if (readPath.mayReadNow) this.#getNow(id, key, fillCache)
    else this.#getLater(id, key, fillCache)
  }

  /** Reads behind writes of this session that are not in the database yet. */
  #foresee(id: number, key: Buffer, fillCache: boolean): void {
    const { engine, order, answers } = this.#session
    this.#inFlight++
    try {
      order.foresee(
        key,
        () => engine.readPath.readNow(key, fillCache),
        (value) => {
          answers.value(id, value)
          this.#onDone(1)
        }
      )
    } catch (error) {
      // In its turn, as every answer behind a write.
      order.read(() => {
        answers.error(id, KIND.get, error)
        this.#onDone(1)
      })
    }
  }

  #getNow(id: number, key: Buffer, fillCache: boolean): void {
    const { engine, answers } = this.#session
    let value: Bytes | undefined
    try {
      value = engine.readPath.readNow(key, fillCache)
    } catch (error) {
      return answers.error(id, KIND.get, error)
    }
    answers.value(id, value)
  }

  #getLater(id: number, key: Buffer, fillCache: boolean): void {
    const { engine, answers } = this.#session
    this.#inFlight++
    engine.readPath.enqueue({
      key,
      fillCache,
      onValue: (value) => {
        answers.value(id, value)
        this.#onDone(1)
      },
      onError: (error) => {
        answers.error(id, KIND.get, error)
        this.#onDone(1)
      }
    })
  }

  #onSnapshotGet(reader: FrameReader, flags: number): void {
    const { id, kind } = reader
    const { engine, answers } = this.#session
    const number = reader.uint32()
    const key = reader.tail()
    this.#inTurn(id, kind, 1, async () => {
      const snapshot = this.#findSnapshot(number)
      const value = await engine.database.get(key, fillsCache(flags), snapshot)
      answers.value(id, isHidden(key) ? undefined : value)
    })
  }

  onGetMany(reader: FrameReader): void {
    const { id, kind } = reader
    const flags = reader.uint8()
    const number = readSnapshotNumber(reader, flags, READ_FLAGS.snapshot)
    const keys = readKeys(reader)
    this.#inTurn(id, kind, keys.length, () =>
      this.#getMany(id, keys, fillsCache(flags), this.#findSnapshot(number))
    )
  }

  /** Reads and answers group by group: one key named many times must not fill the memory. */
  async #getMany(
    id: number,
    keys: readonly Buffer[],
    fillCache: boolean,
    given: Snapshot | undefined
  ): Promise<void> {
    const { engine, answers, channel } = this.#session
    const { database, readPath } = engine
    // All groups see the same database.
    const own = given === undefined ? database.snapshot() : undefined
    const snapshot = given ?? (own as Snapshot)
    // Between two groups nothing else holds it, and a read on the spot does not ask whether it is open.
    snapshot.ref()
    try {
      let to = 0
      do {
        const countMax = Math.min(LIMITS.readsInFlightMax, readPath.countFor(LIMITS.readGroupBytes))
        const group = keys.slice(to, to + countMax)
        to += group.length
        const visible = group.filter((key) => !isHidden(key))
        const values = await readPath.readMany(visible, fillCache, snapshot)
        answers.values(id, spread(group, values), to === keys.length)
        await channel.writable()
      } while (to < keys.length && this.#status === 'open')
    } finally {
      snapshot.unref()
      await own?.close()
    }
  }

  onHas(reader: FrameReader): void {
    const { id, kind } = reader
    const { engine, answers } = this.#session
    const flags = reader.uint8()
    const number = readSnapshotNumber(reader, flags, READ_FLAGS.snapshot)
    const key = reader.tail()
    this.#inTurn(id, kind, 1, async () => {
      const snapshot = this.#findSnapshot(number)
      const present =
        !isHidden(key) && (await engine.database.has(key, fillsCache(flags), snapshot))
      answers.presence(id, [present])
    })
  }

  onHasMany(reader: FrameReader): void {
    const { id, kind } = reader
    const { engine, answers } = this.#session
    const flags = reader.uint8()
    const number = readSnapshotNumber(reader, flags, READ_FLAGS.snapshot)
    const keys = readKeys(reader)
    this.#inTurn(id, kind, keys.length, async () => {
      const snapshot = this.#findSnapshot(number)
      const present = await engine.database.hasMany(keys, fillsCache(flags), snapshot)
      answers.presence(
        id,
        present.map((isPresent, index) => isPresent && !isHidden(keys[index] as Buffer))
      )
    })
  }

  /** Runs a read of `count` keys in the thread pool once it is its turn. */
  #inTurn(id: number, kind: number, count: number, read: () => Promise<void>): void {
    const { order, answers } = this.#session
    this.#inFlight += count
    const run = async (): Promise<void> => {
      try {
        await read()
      } catch (error) {
        answers.error(id, kind, explainSnapshot(error as Error))
      }
      this.#onDone(count)
    }
    order.read(run)
  }

  /** @throws PartyError `PARTYD_SNAPSHOT_LOST` */
  #findSnapshot(number: number | undefined): Snapshot | undefined {
    return number === undefined ? undefined : this.#session.snapshots.find(number)
  }

  #onDone(count: number): void {
    this.#inFlight -= count
    this.#session.channel.resume()
  }
}

function fillsCache(flags: number): boolean {
  return (flags & READ_FLAGS.noFillCache) === 0
}

/** Puts the values of the visible keys in their places among all keys. */
function spread(
  keys: readonly Buffer[],
  values: readonly (Bytes | undefined)[]
): readonly (Bytes | undefined)[] {
  if (keys.length === values.length) return values
  let next = 0
  return keys.map((key) => (isHidden(key) ? undefined : values[next++]))
}
