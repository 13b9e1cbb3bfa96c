// The explicit snapshots of a session, by the numbers that its client gave them. They end with the
// connection: what a snapshot pins cannot be found again by another daemon.

import { type FrameReader, KIND, LIMITS, PartyError, ProtocolError, TIMES } from '@partyd/shared'
import type { Snapshot } from '../store/database.js'
import { snapshotLost } from '../store/lost-snapshot.js'
import type { SessionContext } from './session-context.js'

interface HeldSnapshot {
  /** Undefined until it is its turn in session order. */
  snapshot: Snapshot | undefined
  /** On the clock that does not jump. */
  readonly openedAt: number
}

export class SessionSnapshots {
  readonly #session: Pick<SessionContext, 'engine' | 'answers' | 'order'>
  readonly #snapshots = new Map<number, HeldSnapshot>()
  #sweep: NodeJS.Timeout | undefined

  constructor(session: Pick<SessionContext, 'engine' | 'answers' | 'order'>) {
    this.#session = session
  }

  /** Takes the snapshot behind the session's earlier writes, and before its later ones. */
  onOpen(reader: FrameReader): void {
    const { id } = reader
    const { engine, order, answers } = this.#session
    const number = reader.uint32()
    reader.finish()
    if (this.#snapshots.has(number)) throw new ProtocolError(`Snapshot ${number} is opened twice`)
    if (this.#snapshots.size >= LIMITS.snapshotsMax) {
      return answers.error(id, KIND.snapshotOpen, tooManySnapshots())
    }
    const held: HeldSnapshot = { snapshot: undefined, openedAt: performance.now() }
    this.#snapshots.set(number, held)
    this.#sweep ??= setInterval(() => this.#closeOld(), TIMES.snapshotSweep).unref()
    order.read(() => {
      held.snapshot = engine.database.snapshot()
      engine.counters.snapshots++
      answers.done(id)
    })
  }

  onClose(reader: FrameReader): void {
    const number = reader.uint32()
    reader.finish()
    this.#closeInTurn(number)
  }

  /** @throws PartyError `PARTYD_SNAPSHOT_LOST` when it is not held here. */
  find(number: number): Snapshot {
    const snapshot = this.#snapshots.get(number)?.snapshot
    if (snapshot === undefined) throw snapshotLost(number)
    return snapshot
  }

  /** Gives up all of them; each goes when the reads under way on it are done. */
  close(): void {
    clearInterval(this.#sweep)
    for (const number of [...this.#snapshots.keys()]) this.#close(number)
  }

  /** Behind what was asked of it before: a clear reads from it in many steps. */
  #closeInTurn(number: number): void {
    this.#session.order.read(() => this.#close(number))
  }

  #close(number: number): void {
    const held = this.#snapshots.get(number)
    this.#snapshots.delete(number)
    if (held?.snapshot === undefined) return
    this.#session.engine.counters.snapshots--
    void held.snapshot.close()
  }

  #closeOld(): void {
    const horizon = performance.now() - TIMES.snapshotKept
    for (const [number, { openedAt }] of this.#snapshots) {
      if (openedAt <= horizon) this.#closeInTurn(number)
    }
  }
}

function tooManySnapshots(): PartyError {
  const message = `This client holds ${LIMITS.snapshotsMax} snapshots. Close some of them first.`
  return new PartyError('PARTYD_TOO_MANY_PENDING', message)
}
