// `partyd status` and `partyd ping`: how the daemon of a location is. Neither starts one.

import { KIND } from '@partyd/shared'
import { askDaemon, type DaemonAnswer } from './ask-daemon.js'
import { type Command, LOCATION } from './command.js'
import { formatDuration } from './duration.js'
import { describeFailure, EXIT } from './failure.js'
import type { Output } from './output.js'

export const statusCommand: Command = {
  name: 'status',
  summary: 'tell whether a daemon serves a location, and what it says of itself',
  arguments: [LOCATION],
  example: 'status ./data',
  async run({ arguments: [directory = ''], timeoutMs }, output) {
    const found = await askDaemon(directory, KIND.status, timeoutMs)
    if (found.status !== 'running') return printAbsence(found, directory, output)
    const { answer } = found
    output.print(
      { ...answer, state: answer['status'], status: 'running' },
      describe(answer, output)
    )
    return EXIT.ok
  }
}

export const pingCommand: Command = {
  name: 'ping',
  summary: 'measure how long the daemon of a location takes to answer',
  arguments: [LOCATION],
  example: 'ping ./data --timeout 2s',
  async run({ arguments: [directory = ''], timeoutMs }, output) {
    const startedAt = performance.now()
    const found = await askDaemon(directory, KIND.ping, timeoutMs)
    if (found.status !== 'running') return printAbsence(found, directory, output)
    const ms = Math.round((performance.now() - startedAt) * 10) / 10
    const { pid } = found.welcome
    output.print({ status: 'running', pid, ms }, `pid ${pid} answered in ${ms} ms`)
    return EXIT.ok
  }
}

/** Exit codes 3 and 4, as the Linux Standard Base has them for services. */
function printAbsence(
  found: Exclude<DaemonAnswer, { status: 'running' }>,
  directory: string,
  output: Output
): number {
  if (found.status === 'unresponsive') {
    output.fail(describeFailure(found.error))
    return EXIT.unresponsive
  }
  const { reason } = found
  output.print({ status: 'not-running', reason }, `not running: ${reason}`)
  output.note(`Start it with: partyd start ${directory}`)
  return EXIT.notRunning
}

function describe(answer: Readonly<Record<string, unknown>>, output: Output): string {
  const { pid, version, mode, clients, endpoint, uptimeMs, log, logFailure } = answer
  const memory = answer['memory'] as { readonly rss: number }
  return output.list({
    status: output.style('green', 'running'),
    pid: String(pid),
    version,
    mode,
    location: answer['location'],
    endpoint,
    clients: String(clients),
    uptime: formatDuration(uptimeMs as number),
    memory: `${Math.round(memory.rss / 1e6)} MB`,
    log: log ?? undefined,
    'log failure': logFailure
  })
}
