// Commands that ask the daemon of a location something. None of them starts one.

import { existsSync, realpathSync } from 'node:fs'
import {
  ask,
  createHello,
  type DialResult,
  dial,
  findEndpoint,
  KIND,
  PartyError,
  stopDaemon,
  TIMES
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../package-version.js'

/** Exit codes of `status` and `ping`, as the Linux Standard Base has them for services. */
const EXIT = { running: 0, notRunning: 3, unresponsive: 4 } as const

/** Prints what the daemon says of itself, as one JSON object. */
export async function status(directory: string): Promise<number> {
  return report(directory, KIND.status)
}

/** Prints how long the daemon took to answer. */
export async function ping(directory: string): Promise<number> {
  const startedAt = performance.now()
  return report(directory, KIND.ping, () => ({ ms: Math.round(performance.now() - startedAt) }))
}

/** Stops the daemon and waits until LevelDB's lock is free, as `PartyLevel.stop` does. */
export async function stop(directory: string): Promise<number> {
  try {
    const { pid } = await stopDaemon(directory, PACKAGE_VERSION)
    print({ schema: 1, stopped: pid !== undefined, pid })
    return EXIT.running
  } catch (error) {
    if (!(error instanceof PartyError)) throw error
    return fail(error, EXIT.unresponsive)
  }
}

async function report(
  directory: string,
  kind: number,
  describe: () => object = () => ({})
): Promise<number> {
  if (!existsSync(directory)) {
    return fail(new Error(`There is no directory ${directory}`), EXIT.notRunning)
  }
  const result = await dialDaemon(realpathSync.native(directory))
  if (result.status !== 'welcome') {
    const isGone = result.status === 'absent' || result.status === 'leaving'
    return fail(result.cause, isGone ? EXIT.notRunning : EXIT.unresponsive)
  }
  const answer = await ask(result.socket, kind)
  print({ schema: 1, pid: result.welcome.pid, ...answer, ...describe() })
  return EXIT.running
}

function dialDaemon(location: string): Promise<DialResult> {
  const hello = createHello('control', PACKAGE_VERSION)
  return dial(findEndpoint(location), hello, AbortSignal.timeout(TIMES.hello))
}

function fail({ message }: Error, exitCode: number): number {
  process.stderr.write(`partyd: ${message}\n`)
  return exitCode
}

function print(object: object): void {
  process.stdout.write(`${JSON.stringify(object)}\n`)
}
