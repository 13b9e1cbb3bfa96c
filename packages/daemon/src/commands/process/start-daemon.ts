// Having a daemon that stays: found or started, just as a client would, and told not to end when idle.

import {
  type Configuration,
  type DaemonArguments,
  KIND,
  type PartyError,
  peekHold,
  removeHold,
  resolveLocation
} from '@partyd/shared'
import type { CommandInput } from '../command.js'
import { withDatabase } from '../open-database.js'
import { askDaemon } from './ask-daemon.js'
import type { DaemonStatus } from './daemon-status.js'

export interface StartedDaemon {
  readonly status: DaemonStatus
  readonly wasRunning: boolean
  /** Why it may end when nobody needs it, although it should not. */
  readonly idleProblem: string | undefined
}

/** @throws whatever keeps a daemon from starting, with its own code, reason and the end of its log. */
export async function startDaemon(
  wanted: DaemonArguments,
  input: Pick<CommandInput, 'timeoutMs' | 'signal'>
): Promise<StartedDaemon> {
  const createIfMissing = wanted.database.createIfMissing !== false
  const location = resolveLocation(wanted.location, createIfMissing)
  // Whoever starts it wants no hold that keeps clients waiting for that very moment.
  if (peekHold(location)?.reason === 'stop') removeHold(location)
  const found = await askDaemon(location, KIND.status, input)
  if (found.status === 'unresponsive') throw found.error
  const wasRunning = found.status === 'running'
  if (!wasRunning) {
    const options = { createIfMissing, idleTimeoutMs: Number.POSITIVE_INFINITY, daemon: wanted }
    await withDatabase(location, input, options, (database) => database.info())
  }
  const idleProblem = await makeItStay(location, wanted, input)
  return { status: await readStatus(location, input), wasRunning, idleProblem }
}

/** A client may have started it before us, with a short idle time. @returns why it cannot be done. */
async function makeItStay(
  location: string,
  { logLevel, slowOperationsMs }: DaemonArguments,
  input: Pick<CommandInput, 'timeoutMs'>
): Promise<string | undefined> {
  const configuration: Configuration = {
    idleTimeoutMs: null,
    ...(logLevel !== undefined && { logLevel }),
    ...(slowOperationsMs !== undefined && { slowOperationsMs: toWire(slowOperationsMs) })
  }
  try {
    await configureDaemon(location, configuration, input.timeoutMs)
    return undefined
  } catch (error) {
    if ((error as PartyError).code !== 'PARTYD_INCOMPATIBLE') throw error
    return (error as Error).message
  }
}

/** JSON has no Infinity. */
export function toWire(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null
}

/** @returns what is in force then; undefined when no daemon runs. @throws PartyError */
export async function configureDaemon(
  location: string,
  body: Configuration,
  timeoutMs: number | undefined
): Promise<Configuration | undefined> {
  const found = await askDaemon(location, KIND.configure, { timeoutMs, body })
  if (found.status === 'unresponsive') throw found.error
  return found.status === 'running' ? (found.answer as Configuration) : undefined
}

async function readStatus(
  location: string,
  input: Pick<CommandInput, 'timeoutMs'>
): Promise<DaemonStatus> {
  const found = await askDaemon(location, KIND.status, input)
  if (found.status === 'running') return found.answer as unknown as DaemonStatus
  if (found.status === 'unresponsive') throw found.error
  throw new Error(`The daemon of ${location} was started and has gone again: ${found.reason}`)
}
