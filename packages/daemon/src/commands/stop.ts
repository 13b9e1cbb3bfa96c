// `partyd stop`: ends the daemon of a location and waits until LevelDB's lock is free.

import { existsSync, realpathSync } from 'node:fs'
import {
  isDaemonProcess,
  KIND,
  type PartyError,
  removeHold,
  stopDaemon,
  TIMES,
  writeHold
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../package-version.js'
import { askDaemon } from './ask-daemon.js'
import { type Command, LOCATION } from './command.js'
import { formatDuration, parseDuration } from './duration.js'
import { UsageError } from './failure.js'

interface StopOptions {
  readonly hold?: number
  readonly force?: boolean
}

export const stopCommand: Command = {
  name: 'stop',
  summary: 'stop the daemon of a location and wait until its lock is free',
  arguments: [LOCATION],
  options: [
    {
      flags: '--hold <time>',
      description: 'have clients wait for this long instead of starting it again (at most 1d)',
      parse: parseHold
    },
    { flags: '--force', description: 'end a daemon that does not answer by SIGKILL' }
  ],
  example: 'stop ./data --hold 10m',
  async run({ arguments: [directory = ''], options }, output) {
    const { hold, force } = options as StopOptions
    const clients = await countClients(directory)
    const pid = await stop(directory, hold, force === true)
    const stopped = pid !== undefined
    const who =
      clients === undefined
        ? ''
        : `; ${clients} ${clients === 1 ? 'client was' : 'clients were'} connected`
    output.print(
      { stopped, pid, clients, holdMs: hold },
      stopped ? `stopped pid ${pid}${who}` : 'no daemon was running'
    )
    if (hold !== undefined) {
      output.note(`Clients wait for ${formatDuration(hold)}, or until: partyd start ${directory}`)
    } else if (clients !== undefined && clients > 0) {
      output.note(
        'The next operation of any of them starts a daemon again; --hold <time> prevents it.'
      )
    }
    return undefined
  }
}

/** As many as a daemon that answers tells; undefined when none does. */
async function countClients(directory: string): Promise<number | undefined> {
  const found = await askDaemon(directory, KIND.status, TIMES.probe)
  return found.status === 'running' ? (found.answer['clients'] as number) : undefined
}

/** @returns the pid of the daemon that has ended; undefined when there was none. */
async function stop(
  directory: string,
  holdMs: number | undefined,
  force: boolean
): Promise<number | undefined> {
  if (!existsSync(directory)) return undefined
  const location = realpathSync.native(directory)
  // First, or a client could start the next daemon as soon as the lock is free.
  if (holdMs !== undefined) writeHold(location, 'stop', holdMs)
  try {
    return (await stopDaemon(location, PACKAGE_VERSION)).pid
  } catch (error) {
    if (force) return await kill(error as PartyError, location)
    if (holdMs !== undefined) removeHold(location)
    throw error
  }
}

/** Only what is a daemon of partyd for certain, and has been given its time to end by itself. */
async function kill(error: PartyError, location: string): Promise<number | undefined> {
  const { code, pid } = error
  if (code !== 'PARTYD_UNRESPONSIVE' || pid === undefined || !isDaemonProcess(pid)) throw error
  process.kill(pid, 'SIGKILL')
  await stopDaemon(location, PACKAGE_VERSION)
  return pid
}

function parseHold(text: string): number {
  const ms = parseDuration(text)
  if (ms > TIMES.holdMax) throw new UsageError(`a location is held for a day at most, not ${text}`)
  return ms
}
