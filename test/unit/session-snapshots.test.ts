// How old a snapshot may get: a day passes quickly on a clock of the test's own.

import { FrameReader, KIND, TIMES } from '@partyd/shared'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { SessionSnapshots } from '../../packages/daemon/dist/session/session-snapshots.js'
import { encodeFrame } from '../harness/raw-client.js'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function openFrame(number: number): FrameReader {
  const reader = new FrameReader()
  reader.append(encodeFrame(KIND.snapshotOpen, 1, (frame) => frame.uint32(number)))
  reader.next()
  return reader
}

it('a snapshot is given up in session order when it is a day old, and no other one', () => {
  const closed: number[] = []
  const held: (() => void)[] = []
  let isClearing = false
  let taken = 0
  const snapshots = new SessionSnapshots({
    engine: {
      counters: { snapshots: 0 },
      database: {
        snapshot: () => {
          const number = ++taken
          return { close: async () => void closed.push(number) }
        }
      }
    },
    answers: { done: () => {}, error: () => {} },
    order: { read: (run: () => void) => void (isClearing ? held.push(run) : run()) }
  } as never)

  snapshots.onOpen(openFrame(1))
  vi.advanceTimersByTime(TIMES.snapshotKept / 2)
  snapshots.onOpen(openFrame(2))
  vi.advanceTimersByTime(TIMES.snapshotKept / 2 - TIMES.snapshotSweep)
  expect(closed).toEqual([])

  isClearing = true
  vi.advanceTimersByTime(2 * TIMES.snapshotSweep)
  expect(closed, 'while a clear may be reading from it').toEqual([])
  isClearing = false
  for (const run of held) run()
  expect(closed).toEqual([1])
  expect(() => snapshots.find(1)).toThrow(expect.objectContaining({ code: 'PARTYD_SNAPSHOT_LOST' }))
  expect(snapshots.find(2)).toBeDefined()

  snapshots.close()
  expect(closed).toEqual([1, 2])
})
