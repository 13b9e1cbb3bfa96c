// Taking over from a daemon that a client started: it is asked to drain, and meanwhile no client
// starts another, which could have the lock first and would have to be asked again.

import { findHold, removeHold, TIMES, takeHold } from '@partyd/shared'
import { requestDrain } from '../start/probe.js'

export async function takeOver(location: string): Promise<void> {
  try {
    takeHold(location, 'takeover', TIMES.hold)
  } catch {
    // A full disk, for example. It is only quicker with a hold.
  }
  await requestDrain(location)
}

/** Whether this process has asked another to make room. */
export function isTakingOver(location: string): boolean {
  const hold = findHold(location)
  return hold?.reason === 'takeover' && hold.pid === process.pid
}

/** The location is served again, or will not be by us. */
export function endTakeover(location: string): void {
  if (isTakingOver(location)) removeHold(location)
}
