// Operations that read ranges, and the check that they gave every entry, once and in order.

import type { DataSet, Random } from '../data-set.js'
import type { Store } from '../peers/peer.js'
import type { Operation } from './lanes.js'
import type { RangesTask, ScanTask } from './task.js'

/** One scan of everything. */
export function createScanOperation(task: ScanTask, store: Store, data: DataSet): Operation {
  const { keys } = data.shape
  const isReverse = task.method === 'reverse'
  const hasValues = task.method !== 'keys'
  const scan = async (): Promise<void> => {
    let count = 0
    await store.scan?.(task, (key, value) => {
      if (count === keys && task.mayHaveMore) return
      const index = isReverse ? keys - 1 - count : count
      data.checkKey(index, key)
      if (hasValues) data.checkValue(index, value)
      count += 1
    })
    if (count !== keys) throw new Error(`A scan gave ${count} of ${keys} entries`)
  }
  return { issue: scan }
}

/** One range of so many entries from a random key on. */
export function createRangesOperation(
  { size, encoding }: RangesTask,
  store: Store,
  data: DataSet,
  random: Random
): Operation {
  const last = data.shape.keys - size
  const readRange = async (): Promise<void> => {
    const first = random.below(last + 1)
    let count = 0
    const range = { method: 'iterator', encoding, gte: data.key(first), limit: size } as const
    await store.scan?.(range, (key, value) => {
      data.checkKey(first + count, key)
      data.checkValue(first + count, value)
      count += 1
    })
    if (count !== size) throw new Error(`A range gave ${count} of ${size} entries`)
  }
  return { issue: readRange }
}
