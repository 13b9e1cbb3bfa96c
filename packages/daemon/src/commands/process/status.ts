// `partyd status` and `partyd ping`: how the daemon of a location is. Neither starts one.

import { DATABASE_FLAGS, KIND } from '@partyd/shared'
import { type Command, LOCATION } from '../command.js'
import { formatDuration } from '../duration.js'
import { describeFailure, EXIT } from '../failure.js'
import type { Output } from '../output.js'
import { quotePath } from '../quote.js'
import { describeAbsence, describeReason, findAbsence } from './absence.js'
import { askDaemon, type DaemonAnswer } from './ask-daemon.js'
import { type DaemonStatus, describeClients } from './daemon-status.js'

export const statusCommand: Command = {
  name: 'status',
  summary: 'tell whether a daemon serves a location, and what it says of itself',
  arguments: [LOCATION],
  example: 'status ./data',
  // The time-out is the question's: behind it there is something to say.
  interruption: 'abort',
  async run({ arguments: [directory = ''], timeoutMs, signal }, output) {
    const found = await askDaemon(directory, KIND.status, { timeoutMs, signal })
    if (found.status !== 'running') return printAbsence(found, directory, output)
    const { answer } = found
    output.print(
      { ...answer, state: answer['status'], status: 'running' },
      describe(answer as unknown as DaemonStatus, output)
    )
    return EXIT.ok
  }
}

export const pingCommand: Command = {
  name: 'ping',
  summary: 'measure how long the daemon of a location takes to answer',
  arguments: [LOCATION],
  example: 'ping ./data --timeout 2s',
  interruption: 'abort',
  async run({ arguments: [directory = ''], timeoutMs, signal }, output) {
    const startedAt = performance.now()
    const found = await askDaemon(directory, KIND.ping, { timeoutMs, signal })
    if (found.status !== 'running') return printAbsence(found, directory, output)
    const ms = Math.round((performance.now() - startedAt) * 10) / 10
    const { pid } = found.welcome
    output.print({ status: 'running', pid, ms }, `pid ${pid} answered in ${ms} ms`)
    return EXIT.ok
  }
}

/** Exit codes 3 and 4, as the Linux Standard Base has them for services. */
export function printAbsence(
  found: Exclude<DaemonAnswer, { status: 'running' }>,
  directory: string,
  output: Output
): number {
  if (found.status === 'unresponsive') {
    output.fail(describeFailure(found.error))
    return EXIT.unresponsive
  }
  const { reason } = found
  const absence = findAbsence(directory)
  const more = output.list(describeAbsence(absence))
  output.print(
    { status: 'not-running', reason, ...absence },
    `not running: ${describeReason(reason)}${more === '' ? '' : `\n${more}`}`
  )
  const { lockOwner } = absence
  const isForeign = lockOwner !== undefined && !lockOwner.isDaemon
  output.note(
    isForeign
      ? 'Stop that process, or let it use partyd, too. Never delete LOCK.'
      : `Start it with: partyd start ${quotePath(directory)}`
  )
  return EXIT.notRunning
}

function describe(status: DaemonStatus, output: Output): string {
  const { pid, version, mode, location, endpoint, clients, connections = [] } = status
  const who = connections.length === 0 ? '' : `: ${describeClients(connections)}`
  return output.list({
    status: output.style('green', 'running'),
    pid: String(pid),
    version,
    mode,
    location,
    endpoint,
    clients: `${clients}${who}`,
    uptime: formatDuration(status.uptimeMs),
    'idle time': describeIdleTime(status),
    memory: `${Math.round(status.memory.rss / 1e6)} MB`,
    options: describeOptions(status.options),
    counters: describeCounters(status.counters),
    'log level': status.logLevel,
    'slow from': describeTime(status.slowOperationsMs),
    log: status.log ?? undefined,
    'log failure': status.logFailure
  })
}

function describeIdleTime({ idleTimeoutMs, idleEndsInMs }: DaemonStatus): string | undefined {
  const time = describeTime(idleTimeoutMs)
  if (idleEndsInMs === undefined) return time
  return `${time}; ends in ${formatDuration(idleEndsInMs)} if nobody comes`
}

/** An older daemon does not say. */
export function describeTime(ms: number | null | undefined): string | undefined {
  return typeof ms === 'number' ? formatDuration(ms) : ms === null ? 'never' : undefined
}

function describeOptions(options: DaemonStatus['options']): string {
  const changed = Object.entries(options).filter(([name, value]) => {
    return DATABASE_FLAGS[name as keyof typeof DATABASE_FLAGS]?.default !== value
  })
  return changed.length === 0
    ? 'all as by default'
    : changed.map(([name, value]) => `${name} ${value}`).join(', ')
}

function describeCounters(counters: DaemonStatus['counters']): string {
  return Object.entries(counters)
    .filter(([name]) => name !== 'clients')
    .map(([name, value]) => `${value} ${name}`)
    .join(', ')
}
