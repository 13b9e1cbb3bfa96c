// Asks whether a daemon serves a location. Only an answer counts: silence proves nothing.

import {
  createHello,
  currentPlatform,
  defaultEndpoint,
  dial,
  isPlausibleEndpoint,
  readRendezvous,
  TIMES,
  type Welcome
} from '@partyd/shared'
import { PACKAGE_VERSION } from './package-version.js'

export async function probe(location: string): Promise<Welcome | undefined> {
  const platform = currentPlatform()
  const hint = readRendezvous(location)?.endpoint
  const endpoint =
    hint !== undefined && isPlausibleEndpoint(hint, location, platform)
      ? hint
      : defaultEndpoint(location, platform)
  const hello = createHello('control', PACKAGE_VERSION)
  const result = await dial(endpoint, hello, AbortSignal.timeout(TIMES.probe))
  if (result.status !== 'welcome') return undefined
  result.socket.destroy()
  return result.welcome
}
