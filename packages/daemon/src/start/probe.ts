// Asks whether a daemon serves a location. Only an answer counts: silence proves nothing.

import {
  ask,
  createHello,
  type Dialled,
  dial,
  findEndpoint,
  KIND,
  TIMES,
  type Welcome
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../package-version.js'

export async function probe(location: string): Promise<Welcome | undefined> {
  const dialled = await dialControl(location)
  dialled?.socket.destroy()
  return dialled?.welcome
}

/** Asks the daemon of a location to drain. It lets go of the lock when it is done. */
export async function requestDrain(location: string): Promise<void> {
  const dialled = await dialControl(location)
  // Whatever it answers: that it has let go is for the lock to tell, and no answer may end us.
  if (dialled !== undefined) ask(dialled.socket, KIND.stop).catch(() => {})
}

async function dialControl(location: string): Promise<Dialled | undefined> {
  const hello = createHello('control', PACKAGE_VERSION)
  const result = await dial(
    location,
    findEndpoint(location),
    hello,
    AbortSignal.timeout(TIMES.probe)
  )
  return result.status === 'welcome' ? result : undefined
}
