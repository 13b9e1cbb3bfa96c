import { TIMES } from '@partyd/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Liveness } from '../../packages/client/dist/liveness.js'

const TIMEOUT_MS = 60_000
/** Long enough for a silence to be noticed, and for nothing to follow from it. */
const SILENCE_MS = TIMES.heartbeat + 2 * TIMES.livenessLook

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** Watches a daemon that is awaited and never says a word of itself. */
function watch() {
  const owner = {
    isConnected: true,
    isAwaited: true,
    ping: vi.fn(),
    onSilent: vi.fn(),
    onTrouble: vi.fn(),
    onRecovered: vi.fn(),
    expire: vi.fn()
  }
  const liveness = new Liveness(TIMEOUT_MS, owner)
  liveness.start()
  return { owner, liveness }
}

describe('a silent daemon', () => {
  it('is pinged, then called silent, and its operations expire', () => {
    const { owner } = watch()
    vi.advanceTimersByTime(SILENCE_MS)
    expect(owner.ping).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(SILENCE_MS)
    expect(owner.onSilent).toHaveBeenCalledTimes(1)
    expect(owner.expire).toHaveBeenCalled()
  })

  it('that answers its ping is none', () => {
    const { owner, liveness } = watch()
    vi.advanceTimersByTime(SILENCE_MS)
    liveness.hear()
    vi.advanceTimersByTime(TIMES.heartbeat - TIMES.livenessLook)
    expect(owner.onRecovered).toHaveBeenCalledTimes(1)
    expect(owner.onSilent).not.toHaveBeenCalled()
  })
})

describe('a new link', () => {
  it('is pinged itself before it is called silent', () => {
    const { owner, liveness } = watch()
    vi.advanceTimersByTime(SILENCE_MS)
    expect(owner.ping).toHaveBeenCalledTimes(1)
    // Between two looks: the next one never sees that there was no link.
    liveness.onLink()
    vi.advanceTimersByTime(TIMES.heartbeat)
    expect(owner.onSilent).not.toHaveBeenCalled()
    vi.advanceTimersByTime(4 * TIMES.livenessLook)
    expect(owner.ping).toHaveBeenCalledTimes(2)
    expect(owner.onSilent).not.toHaveBeenCalled()
  })
})
