// Makes a task's operations, with what they need made beforehand, and runs them.

import { type DataSet, Random, type Read } from '../data-set.js'
import type { Entry, Store } from '../peers/peer.js'
import { type Operation, runLanes } from './lanes.js'
import { createLargeWriteOperation } from './large-writes.js'
import { createRangesOperation, createScanOperation } from './scans.js'
import type { BatchTask, GetManyTask, Pace, PointTask, Task, TaskReport } from './task.js'

/**
 * @param stores the connections of this process, used by its lanes in turn
 * @param signal ends it before its time
 */
export async function runTask(
  task: Task,
  stores: readonly Store[],
  data: DataSet,
  pace: Pace,
  signal?: AbortSignal
): Promise<TaskReport> {
  const lanes = Array.from({ length: pace.inFlight }, (_, lane) => {
    const store = stores[lane % stores.length] as Store
    return createOperation(task, store, data, new Random(pace.seed * 1009 + lane))
  })
  return await runLanes(lanes, pace, weightOf(task, data), signal)
}

function weightOf(task: Task, data: DataSet): number {
  if (task.kind === 'batch' || task.kind === 'getMany') return task.size
  return task.kind === 'scan' ? data.shape.keys : 1
}

function createOperation(task: Task, store: Store, data: DataSet, random: Random): Operation {
  switch (task.kind) {
    case 'point':
      return createPointOperation(task, store, data, random)
    case 'batch':
      return createBatchOperation(task, store, data, random)
    case 'getMany':
      return createGetManyOperation(task, store, data, random)
    case 'scan':
      return createScanOperation(task, store, data)
    case 'writeLarge':
      return createLargeWriteOperation(task, store)
    case 'ranges':
      return createRangesOperation(task, store, data, random)
  }
}

function createPointOperation(
  { puts, sync = false, encoding = 'utf8' }: PointTask,
  store: Store,
  data: DataSet,
  random: Random
): Operation {
  const { keys } = data.shape
  const { holdsData = true } = store
  let index = 0
  let isPut = false
  return {
    issue: () => {
      index = random.below(keys)
      isPut = puts > 0 && random.below(256) < puts
      if (!isPut) return store.get?.(data.key(index), encoding)
      return store.put?.(data.key(index), data.value(index, random.below(256)), sync)
    },
    check: (result) => {
      if (!isPut && holdsData) data.checkValue(index, result as Read)
    }
  }
}

function createBatchOperation(
  { size }: BatchTask,
  store: Store,
  data: DataSet,
  random: Random
): Operation {
  const entry = (): Entry => {
    const index = random.below(data.shape.keys)
    return { type: 'put', key: data.key(index), value: data.value(index, random.below(4)) }
  }
  // A few batches made beforehand and sent in turn: making them is not what is measured.
  const batches = Array.from({ length: 8 }, () => Array.from({ length: size }, entry))
  let turn = 0
  return { issue: () => store.batch?.(batches[turn++ % batches.length] as Entry[]) }
}

function createGetManyOperation(
  { size }: GetManyTask,
  store: Store,
  data: DataSet,
  random: Random
): Operation {
  const indexes = new Uint32Array(size)
  const keys = new Array<string>(size)
  return {
    issue: () => {
      for (let at = 0; at < size; at++) {
        const index = random.below(data.shape.keys)
        indexes[at] = index
        keys[at] = data.key(index)
      }
      return store.getMany?.(keys)
    },
    check: (result) => {
      const values = result as readonly Read[]
      if (values.length !== size) throw new Error(`getMany gave ${values.length} of ${size} values`)
      for (let at = 0; at < size; at++) data.checkValue(indexes[at] as number, values[at])
    }
  }
}
