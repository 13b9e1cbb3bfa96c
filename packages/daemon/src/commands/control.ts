// Commands that ask the daemon of a location something. None of them starts one.

import { realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ask,
  createHello,
  type DialResult,
  dial,
  findEndpoint,
  findLockHolder,
  KIND,
  readRendezvous,
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

/** Stops the daemon and waits until LevelDB's lock is free. */
export async function stop(directory: string): Promise<number> {
  const location = realpathSync.native(directory)
  const pid = readRendezvous(location)?.pid
  const result = await dialDaemon(location)
  if (result.status === 'welcome') await ask(result.socket, KIND.stop)
  else if (result.status !== 'absent' && result.status !== 'leaving') return fail(result)
  while (pid !== undefined && findLockHolder(location)?.pid === pid) await sleep(TIMES.backoffFirst)
  print({ schema: 1, stopped: result.status === 'welcome', pid })
  return EXIT.running
}

async function report(
  directory: string,
  kind: number,
  describe: () => object = () => ({})
): Promise<number> {
  const result = await dialDaemon(realpathSync.native(directory))
  if (result.status !== 'welcome') return fail(result)
  const answer = await ask(result.socket, kind)
  print({ schema: 1, pid: result.welcome.pid, ...answer, ...describe() })
  return EXIT.running
}

function dialDaemon(location: string): Promise<DialResult> {
  const hello = createHello('control', PACKAGE_VERSION)
  return dial(findEndpoint(location), hello, AbortSignal.timeout(TIMES.hello))
}

function fail(result: Exclude<DialResult, { status: 'welcome' }>): number {
  process.stderr.write(`partyd: ${result.cause.message}\n`)
  return result.status === 'absent' || result.status === 'leaving'
    ? EXIT.notRunning
    : EXIT.unresponsive
}

function print(object: object): void {
  process.stdout.write(`${JSON.stringify(object)}\n`)
}
