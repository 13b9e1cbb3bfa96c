import { findHold, releaseHold, restoreHold, writeHold } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Locations } from '../harness/locations.js'

const locations = new Locations()
const HOUR_MS = 3_600_000

afterEach(() => locations.reap())

/** A hold of another process. */
function holdByAnother(reason: 'repair' | 'destroy' | 'stop' | 'restart'): string {
  const location = locations.create()
  const until = Date.now() + HOUR_MS
  restoreHold(location, { schema: 1, reason, until, pid: process.pid + 1 })
  return location
}

describe('a hold', () => {
  it.each(['repair', 'destroy'] as const)('of %s is not taken away from its owner', (reason) => {
    const location = holdByAnother(reason)
    expect(() => writeHold(location, 'stop', HOUR_MS)).toThrow(
      expect.objectContaining({ code: 'LEVEL_LOCKED', path: location, pid: process.pid + 1 })
    )
    expect(findHold(location)).toMatchObject({ reason, pid: process.pid + 1 })
  })

  it.each(['stop', 'restart'] as const)('of %s gives way', (reason) => {
    const location = holdByAnother(reason)
    writeHold(location, 'stop', HOUR_MS)
    expect(findHold(location)).toMatchObject({ reason: 'stop', pid: process.pid })
  })

  it('is renewed by its owner', () => {
    const location = locations.create()
    writeHold(location, 'repair', 1000)
    writeHold(location, 'repair', HOUR_MS)
    expect(findHold(location)?.until).toBeGreaterThan(Date.now() + HOUR_MS / 2)
  })

  it('is released by its owner only', () => {
    const location = holdByAnother('stop')
    releaseHold(location)
    expect(findHold(location)).toMatchObject({ reason: 'stop' })
    writeHold(location, 'stop', HOUR_MS)
    releaseHold(location)
    expect(findHold(location)).toBe(undefined)
  })
})
