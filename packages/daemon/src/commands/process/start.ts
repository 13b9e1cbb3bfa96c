// `partyd start` and `partyd restart`: a daemon in the background that stays until it is stopped.

import {
  type DaemonArguments,
  type DatabaseOptions,
  hasDatabase,
  KIND,
  releaseHold,
  stopDaemon,
  TIMES,
  writeHold
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../../package-version.js'
import { type Command, type CommandInput, LOCATION } from '../command.js'
import { CommandError, UsageError } from '../failure.js'
import type { Output } from '../output.js'
import { quotePath } from '../quote.js'
import { askDaemon } from './ask-daemon.js'
import type { DaemonStatus } from './daemon-status.js'
import { DAEMON_OPTIONS, resolveArguments } from './serve.js'
import { type StartedDaemon, startDaemon } from './start-daemon.js'

export const startCommand: Command = {
  name: 'start',
  summary: 'start a daemon in the background that stays until it is stopped',
  arguments: [{ ...LOCATION, description: 'the database directory; created if it does not exist' }],
  options: DAEMON_OPTIONS,
  example: 'start ./data --sync',
  isWrite: true,
  async run(input, output) {
    const [directory = ''] = input.arguments
    const wanted = resolveArguments(directory, input.options)
    const started = await startDaemon(wanted, input)
    const what = started.wasRunning ? 'already running' : 'started'
    print({ started: !started.wasRunning }, what, started, output)
    explain(started, wanted.database, output)
    return undefined
  }
}

export const restartCommand: Command = {
  name: 'restart',
  summary: 'stop the daemon of a location and start another one, with its options',
  arguments: [LOCATION],
  options: DAEMON_OPTIONS,
  example: 'restart ./data --log-level debug',
  isWrite: true,
  interruption: 'abort',
  async run(input, output) {
    const [directory = ''] = input.arguments
    const typed = resolveArguments(directory, input.options)
    const previous = await findDaemon(directory, input)
    if (previous === undefined) assertDatabase(directory)
    const wanted = previous === undefined ? typed : inherit(typed, previous)
    const started =
      previous === undefined
        ? await startDaemon(wanted, input)
        : await replaceDaemon(previous.location, wanted, input)
    const what =
      previous === undefined ? 'none was running; started' : `stopped pid ${previous.pid}; started`
    print({ stopped: previous?.pid, started: true }, what, started, output)
    explain(started, wanted.database, output)
    return undefined
  }
}

/** What is to be started again must have been there. */
function assertDatabase(directory: string): void {
  if (hasDatabase(directory)) return
  const hint = 'Check the path. `partyd start` makes a database where there is none.'
  throw new UsageError(`there is no database at ${directory}`, hint)
}

/** @throws PartyError when it does not answer; CommandError when it is not for us to restart. */
async function findDaemon(
  directory: string,
  input: CommandInput
): Promise<DaemonStatus | undefined> {
  const found = await askDaemon(directory, KIND.status, input)
  if (found.status === 'unresponsive') throw found.error
  if (found.status === 'not-running') return undefined
  const status = found.answer as unknown as DaemonStatus
  if (status.mode !== 'service') return status
  throw new CommandError(
    'PARTYD_IS_SERVICE',
    `The daemon of ${status.location} (pid ${status.pid}) is run by a service manager.`,
    'Have that restart it, as with: systemctl --user restart <unit>.'
  )
}

/** What was not typed stays as it was. */
function inherit(
  typed: DaemonArguments,
  { options, logLevel, slowOperationsMs, allowNetworkFs }: DaemonStatus
): DaemonArguments {
  const database: DatabaseOptions = { ...options, errorIfExists: false, ...typed.database }
  return {
    ...typed,
    ...(allowNetworkFs && { allowNetworkFs }),
    ...(typed.logLevel === undefined && logLevel !== undefined && { logLevel }),
    ...(typed.slowOperationsMs === undefined &&
      slowOperationsMs !== undefined && {
        slowOperationsMs: slowOperationsMs ?? Number.POSITIVE_INFINITY
      }),
    database
  }
}

/** Clients that wait for the next daemon must not start it: it would have their options. */
async function replaceDaemon(
  location: string,
  wanted: DaemonArguments,
  input: CommandInput
): Promise<StartedDaemon> {
  const { signal, timeoutMs } = input
  const onAbort = (): void => releaseHold(location)
  signal.addEventListener('abort', onAbort, { once: true })
  writeHold(location, 'restart', TIMES.restartHold)
  try {
    await stopDaemon(location, PACKAGE_VERSION, timeoutMs)
    signal.throwIfAborted()
    return await startDaemon(wanted, input)
  } finally {
    signal.removeEventListener('abort', onAbort)
    releaseHold(location)
  }
}

function print(
  result: object,
  what: string,
  { status, idleProblem }: StartedDaemon,
  output: Output
): void {
  const { pid, location, endpoint, mode, log, idleTimeoutMs } = status
  output.print(
    { ...result, pid, location, endpoint, mode, log, idleTimeoutMs, idleProblem },
    `${what} (pid ${pid})\n${output.list({ endpoint, log })}`
  )
}

/** What is not as it was asked for. */
function explain({ status, idleProblem }: StartedDaemon, wanted: DatabaseOptions, output: Output) {
  if (idleProblem !== undefined) output.note(`It ends when nobody needs it: ${idleProblem}`)
  const differences = Object.entries(wanted)
    .filter(([name]) => name !== 'createIfMissing' && name !== 'errorIfExists')
    .filter(([name, value]) => status.options[name] !== value)
    .map(([name, value]) => `${name} is ${status.options[name]}, not ${value}`)
  if (differences.length === 0) return
  output.note(`It keeps the options that it was opened with: ${differences.join('; ')}.`)
  output.note(`To change them: partyd restart ${quotePath(status.location)} …`)
}
