// Reading a range from one moment of the database, in steps: `ls` and `count`.

import { LIMITS, type PartyError } from '@partyd/shared'
import { behind } from './byte-range.js'
import type { DataInput } from './data-options.js'
import type { Scope } from './data-scope.js'

/** Enough that a step costs nothing beside its entries; the client bounds its bytes. */
const STEP_ENTRIES = 1000

export interface ScanOptions {
  /** Whether values are wanted; they are empty otherwise. */
  readonly values: boolean
  /** The daemon went down, and its snapshot with it: what follows is of a later moment. */
  onLost(): void
}

export type Entry = readonly [key: Buffer, value: Buffer | undefined]

/**
 * Yields the entries in steps. An explicit snapshot keeps them those of one moment even if whoever
 * reads takes a break, after which an iterator alone would be opened anew. If the daemon dies, the
 * rest is read from the next one behind the last entry, which is better than no rest if it is said.
 */
export async function* scan(
  { database, entries }: Scope,
  { range, limit, isReverse }: DataInput,
  { values, onLost }: ScanOptions
): AsyncGenerator<readonly Entry[]> {
  let rest = range
  let left = limit
  let losses = 0
  while (left > 0) {
    const snapshot = database.snapshot()
    const iterator = entries.iterator({
      ...rest,
      limit: left,
      reverse: isReverse,
      values,
      snapshot
    })
    try {
      for (;;) {
        const step = (await iterator.nextv(STEP_ENTRIES)) as unknown as Entry[]
        const last = step.at(-1)
        if (last === undefined) return
        losses = 0
        left -= step.length
        rest = behind(rest, last[0], isReverse)
        yield step
      }
    } catch (error) {
      const isLost = (error as PartyError).code === 'PARTYD_SNAPSHOT_LOST'
      if (!isLost || ++losses >= LIMITS.deathsMax) throw error
      if (rest !== range) onLost()
    } finally {
      await iterator.close()
      await snapshot.close()
    }
  }
}
