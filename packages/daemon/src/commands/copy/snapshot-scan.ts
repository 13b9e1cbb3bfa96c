// Reading all entries of one moment: an explicit snapshot, held by the daemon, and an iterator on it.

import { isUtf8 } from 'node:buffer'
import type { Bytes, PartyError } from '@partyd/shared'
import type { DataInput } from '../data/data-options.js'
import { openScope, type Scope } from '../data/data-scope.js'
import type { ClientDatabase } from '../open-database.js'
import type { Output } from '../output.js'
import type { Entry } from './export-format.js'

/** Entries of one step: enough that a step costs nothing beside them. Their bytes are bounded, too. */
const STEP_ENTRIES = 10_000
/** What a step asks for. Both sides of the socket hold a few of them. */
const STEP_BYTES = 1_048_576
/** How often a snapshot may be lost before it is no accident. */
const RESTARTS_MAX = 3

/** Which entries are meant. */
export type ScanRange = Pick<DataInput, 'sublevels' | 'range' | 'limit'>

export const ALL: ScanRange = { sublevels: [], range: {}, limit: Number.POSITIVE_INFINITY }

interface Bounds {
  readonly gt?: Bytes
  readonly gte?: Bytes
  readonly lt?: Bytes
  readonly lte?: Bytes
}

/**
 * Yields the entries in steps, as text where it is text: that takes half as long as bytes. What is not
 * UTF-8 comes with U+FFFD in its place, and then the rest is read as bytes.
 * @throws PartyError `PARTYD_SNAPSHOT_LOST`
 */
export async function* scanSnapshot(
  database: ClientDatabase,
  { sublevels, range, limit }: ScanRange,
  signal: AbortSignal
): AsyncGenerator<readonly Entry[]> {
  const { entries } = openScope(database, sublevels)
  const snapshot = database.snapshot()
  const scan = new Scan(entries, { snapshot, signal, highWaterMarkBytes: STEP_BYTES }, range, limit)
  try {
    if (scan.startsWithText && (yield* scan.read('utf8')) === 'ended') return
    yield* scan.read('buffer')
  } finally {
    await snapshot.close()
  }
}

class Scan {
  readonly #entries: Scope['entries']
  readonly #options: object
  /** What is still to be read. */
  #rest: Bounds
  #left: number
  /** A sublevel joins its prefix to bounds of the same kind only. */
  readonly startsWithText: boolean

  constructor(
    entries: Scope['entries'],
    options: object,
    range: ScanRange['range'],
    limit: number
  ) {
    this.#entries = entries
    this.#options = options
    this.#left = limit
    this.startsWithText = Object.values(range).every((key) => isUtf8(key))
    this.#rest = this.startsWithText ? mapBounds(range, (key) => key.toString()) : range
  }

  async *read(encoding: 'utf8' | 'buffer'): AsyncGenerator<readonly Entry[], 'ended' | 'not text'> {
    const isText = encoding === 'utf8'
    const iterator = this.#entries.iterator<Bytes, Bytes>({
      ...this.#options,
      ...(isText ? this.#rest : mapBounds(this.#rest, (key) => Buffer.from(key as string))),
      limit: this.#left,
      keyEncoding: encoding,
      valueEncoding: encoding
    })
    try {
      for (;;) {
        const step: readonly Entry[] = await iterator.nextv(STEP_ENTRIES)
        if (isText && !step.every(isPlainText)) return 'not text'
        const last = step.at(-1)
        if (last === undefined) return 'ended'
        const { lt, lte } = this.#rest
        this.#rest = { gt: last[0], ...(lt && { lt }), ...(lte && { lte }) }
        this.#left -= step.length
        yield step
      }
    } finally {
      await iterator.close()
    }
  }
}

/** Whether it stands for what is stored. */
function isPlainText([key, value]: Entry): boolean {
  return !(key as string).includes('\ufffd') && !(value as string).includes('\ufffd')
}

function mapBounds<K extends Bytes>(
  bounds: { readonly [name in keyof Bounds]: K },
  change: (key: K) => Bytes
): Bounds {
  return Object.fromEntries(Object.entries(bounds).map(([name, key]) => [name, change(key)]))
}

/** Does it again from the beginning when all it has lost is the snapshot. */
export async function withRestarts<T>(
  output: Output,
  signal: AbortSignal,
  attempt: () => Promise<T>
): Promise<T> {
  for (let restarts = 1; ; restarts++) {
    try {
      return await attempt()
    } catch (error) {
      const isLost = (error as PartyError).code === 'PARTYD_SNAPSHOT_LOST'
      if (!isLost || restarts > RESTARTS_MAX || signal.aborted) throw error
      output.note(
        `The daemon went down, and the snapshot with it: starting over (${restarts} of ${RESTARTS_MAX} times).`
      )
    }
  }
}
