// How slow this machine is just now. Times that the design promises are those of an idle machine;
// where many programs compete, a test multiplies them, or it would test the machine.

import { spawnSync } from 'node:child_process'
import { expect } from 'vitest'

/** How long Node takes to start and end on an idle machine, generously. */
const IDLE_BOOT_MS = 100

/** 1 on an idle machine; 3 where everything takes three times as long. */
export function measureSlowness(): number {
  const times = [0, 1, 2].map(() => {
    const startedAt = performance.now()
    spawnSync(process.execPath, ['--eval', '0'])
    return performance.now() - startedAt
  })
  const [, median = 0] = times.sort((a, b) => a - b)
  return Math.max(1, median / IDLE_BOOT_MS)
}

/** Expects that something took no longer than it may on an idle machine, times how slow this one is. */
export function expectWithin(ms: number, idleMs: number): void {
  // Measured only when it matters, for that takes time itself.
  if (ms >= idleMs) expect(ms).toBeLessThan(idleMs * measureSlowness())
}
