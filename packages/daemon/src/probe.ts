// Asks whether a daemon serves a location. Only an answer counts: silence proves nothing.

import { createHello, dial, findEndpoint, TIMES, type Welcome } from '@partyd/shared'
import { PACKAGE_VERSION } from './package-version.js'

export async function probe(location: string): Promise<Welcome | undefined> {
  const hello = createHello('control', PACKAGE_VERSION)
  const result = await dial(findEndpoint(location), hello, AbortSignal.timeout(TIMES.probe))
  if (result.status !== 'welcome') return undefined
  result.socket.destroy()
  return result.welcome
}
