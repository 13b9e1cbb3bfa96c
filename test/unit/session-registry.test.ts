import { type Hello, TIMES } from '@partyd/shared'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { SessionRegistry } from '../../packages/daemon/dist/session/session-registry.js'
import type { CommitQueue } from '../../packages/daemon/dist/store/commit-queue.js'
import type { SessionRecords } from '../../packages/daemon/dist/store/session-records.js'
import type { Write } from '../../packages/daemon/dist/store/write.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('a session that comes back while old records are being removed waits until they are', async () => {
  const queued: Write[] = []
  const found: string[] = []
  const records = {
    generation: 'one',
    find: async (id: string) => void found.push(id),
    createRemoveExpired: (_isLive: unknown, onCommitted: () => void) => ({ onCommitted })
  }
  const registry = new SessionRegistry(
    records as unknown as SessionRecords,
    { enqueue: (write: Write) => queued.push(write) } as unknown as CommitQueue,
    () => {}
  )
  const holder = { giveUpSession: async () => {} }
  const come = (sessionId: string) => registry.take({ sessionId, attempt: 1 } as Hello, holder)

  await come('before')
  vi.advanceTimersByTime(TIMES.recordSweep)
  expect(queued).toHaveLength(1)
  const state = come('meanwhile')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(found).toEqual(['before'])
  queued[0]?.onCommitted()
  expect((await state).id).toBe('meanwhile')
  expect(found).toEqual(['before', 'meanwhile'])
})
