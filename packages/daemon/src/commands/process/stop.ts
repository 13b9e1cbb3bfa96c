// `partyd stop`: ends the daemon of a location and waits until LevelDB's lock is free.

import { existsSync, realpathSync } from 'node:fs'
import {
  isDaemonProcess,
  KIND,
  type PartyError,
  releaseHold,
  stopDaemon,
  TIMES,
  writeHold
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../../package-version.js'
import { type Command, LOCATION } from '../command.js'
import { formatDuration, parseDuration } from '../duration.js'
import { UsageError } from '../failure.js'
import { Interrupted } from '../interruption.js'
import type { Output } from '../output.js'
import { quotePath } from '../quote.js'
import { askDaemon } from './ask-daemon.js'
import { type ClientOfDaemon, type DaemonStatus, describeClients } from './daemon-status.js'

interface StopOptions {
  readonly hold?: number
  readonly force?: boolean
}

interface StopRequest {
  readonly location: string
  readonly holdMs: number | undefined
  readonly force: boolean
  readonly timeoutMs: number | undefined
}

type Outcome =
  | { readonly status: 'none' }
  | { readonly status: 'stopped' | 'killed'; readonly pid: number }

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
    {
      flags: '--force',
      description: 'end a daemon that does not answer, or not within --timeout (1m), by SIGKILL'
    }
  ],
  example: 'stop ./data --hold 10m',
  // The time-out is the stop's own: behind it there may be a SIGKILL to send, or a hold to take back.
  interruption: 'abort',
  async run({ arguments: [directory = ''], options, timeoutMs, signal }, output) {
    const { hold: holdMs, force = false } = options as StopOptions
    if (!existsSync(directory)) return report({ status: 'none' }, [], holdMs, directory, output)
    const location = realpathSync.native(directory)
    const clients = await findClients(location, timeoutMs)
    const request = { location, holdMs, force, timeoutMs }
    const outcome = await Promise.race([stop(request), interruption(signal, request)])
    return report(outcome, clients, holdMs, directory, output)
  }
}

/** As many as a daemon that answers tells; undefined when none does. */
async function findClients(
  location: string,
  limitMs: number = TIMES.aside
): Promise<readonly ClientOfDaemon[] | undefined> {
  const timeoutMs = Math.min(limitMs, TIMES.aside)
  const found = await askDaemon(location, KIND.status, { timeoutMs })
  if (found.status !== 'running') return undefined
  return (found.answer as unknown as DaemonStatus).connections ?? []
}

async function stop({ location, holdMs, force, timeoutMs }: StopRequest): Promise<Outcome> {
  // First, or a client could start the next daemon as soon as the lock is free.
  if (holdMs !== undefined) writeHold(location, 'stop', holdMs)
  try {
    const { pid } = await stopDaemon(location, PACKAGE_VERSION, timeoutMs)
    return pid === undefined ? { status: 'none' } : { status: 'stopped', pid }
  } catch (error) {
    if (force) return { status: 'killed', pid: await kill(error as PartyError, location) }
    if (holdMs !== undefined) releaseHold(location)
    throw error
  }
}

/** Rejects when the user gives up, who wants no hold any more then. */
function interruption(signal: AbortSignal, { location, holdMs }: StopRequest): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      if (!(signal.reason instanceof Interrupted)) return
      if (holdMs !== undefined) releaseHold(location)
      reject(signal.reason)
    })
  })
}

/** Only what is a daemon of partyd for certain, and has been given its time to end by itself. */
async function kill(error: PartyError, location: string): Promise<number> {
  const { code, pid } = error
  if (code !== 'PARTYD_UNRESPONSIVE' || pid === undefined || !isDaemonProcess(pid)) throw error
  process.kill(pid, 'SIGKILL')
  await stopDaemon(location, PACKAGE_VERSION)
  return pid
}

function report(
  outcome: Outcome,
  clients: readonly ClientOfDaemon[] | undefined,
  holdMs: number | undefined,
  directory: string,
  output: Output
): undefined {
  const pid = outcome.status === 'none' ? undefined : outcome.pid
  const killed = outcome.status === 'killed' || undefined
  const result = { stopped: pid !== undefined, pid, killed, holdMs }
  const known = pid === undefined || clients === undefined ? {} : describeConnected(clients)
  output.print({ ...result, ...known.fields }, `${describe(outcome)}${known.text ?? ''}`)
  if (killed) {
    output.note(
      `What it left behind is cleared up by the next start, or: partyd doctor ${quotePath(directory)} --fix`
    )
  }
  if (holdMs !== undefined) {
    output.note(
      `For ${formatDuration(holdMs)} clients start no daemon; they wait, and fail after their own time-outs. To end that: partyd start ${quotePath(directory)}`
    )
  } else if (pid !== undefined && clients !== undefined && clients.length > 0) {
    output.note(
      'The next operation of any of them starts a daemon again; --hold <time> prevents it.'
    )
  }
  return undefined
}

function describe(outcome: Outcome): string {
  return outcome.status === 'none'
    ? 'no daemon was running'
    : `${outcome.status} pid ${outcome.pid}`
}

function describeConnected(clients: readonly ClientOfDaemon[]): { fields?: object; text?: string } {
  const count = clients.length
  const who = count === 0 ? '' : `: ${describeClients(clients)}`
  const text = `; ${count} ${count === 1 ? 'client was' : 'clients were'} connected${who}`
  return { fields: { clients: count, connections: clients }, text }
}

function parseHold(text: string): number {
  const ms = parseDuration(text)
  if (ms > TIMES.holdMax) throw new UsageError(`a location is held for a day at most, not ${text}`)
  return ms
}
