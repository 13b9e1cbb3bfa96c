// Puts of large values, to be in the way of others.

import type { Store } from '../peers/peer.js'
import type { Operation } from './lanes.js'
import type { LargeWriteTask } from './task.js'

/** They are overwritten again and again, or the database would grow. */
const KEYS = 8

export function createLargeWriteOperation({ bytes }: LargeWriteTask, store: Store): Operation {
  // Behind every key of a data set.
  const keys = Array.from({ length: KEYS }, (_, index) => `large-${index}`)
  const value = 'v'.repeat(bytes)
  let turn = 0
  return { issue: () => store.put?.(keys[turn++ % KEYS] as string, value, false) }
}
