// `partyd list`: the daemons of this user that run now, wherever their databases are.

import { KIND } from '@partyd/shared'
import type { Command } from '../command.js'
import { formatDuration } from '../duration.js'
import { CommandError } from '../failure.js'
import type { Output } from '../output.js'
import { askDaemon } from './ask-daemon.js'
import type { DaemonStatus } from './daemon-status.js'
import { type DaemonProcess, findDaemonProcesses, HAS_PROCESS_TABLE } from './process-table.js'

/** One that takes longer is shown as it is. */
const ANSWER_MS = 2_000

interface Row extends DaemonProcess {
  readonly status: 'running' | 'unresponsive' | 'starting or ending'
  readonly mode?: string
  readonly version?: string
  readonly clients?: number
  readonly uptimeMs?: number
}

export const listCommand: Command = {
  name: 'list',
  summary: 'list the daemons of this user that run now',
  arguments: [],
  example: 'list --json',
  async run({ timeoutMs = ANSWER_MS }, output) {
    if (!HAS_PROCESS_TABLE) {
      const message = 'Daemons are found in /proc, which only Linux has.'
      throw new CommandError('PARTYD_UNSUPPORTED', message, 'See: ps -ax | grep partyd')
    }
    const rows = await Promise.all(findDaemonProcesses().map((found) => describe(found, timeoutMs)))
    rows.sort((left, right) => (left.location < right.location ? -1 : 1))
    const text = rows.length === 0 ? 'no daemon is running' : toTable(rows, output)
    output.print({ daemons: rows }, text)
    return undefined
  }
}

async function describe(found: DaemonProcess, timeoutMs: number): Promise<Row> {
  const { pid, location } = found
  try {
    const answer = await askDaemon(location, KIND.status, { timeoutMs })
    if (answer.status === 'unresponsive') return { pid, location, status: 'unresponsive' }
    if (answer.status === 'not-running') return { pid, location, status: 'starting or ending' }
    const { mode, version, clients, uptimeMs } = answer.answer as unknown as DaemonStatus
    return { pid, location, status: 'running', mode, version, clients, uptimeMs }
  } catch {
    return { pid, location, status: 'unresponsive' } // Nothing that we could talk to, at least.
  }
}

const HEADINGS = ['PID', 'STATUS', 'MODE', 'VERSION', 'CLIENTS', 'UPTIME', 'LOCATION']

function toTable(rows: readonly Row[], output: Output): string {
  const lines = rows.map((row) => [
    String(row.pid),
    row.status,
    row.mode ?? '-',
    row.version ?? '-',
    String(row.clients ?? '-'),
    row.uptimeMs === undefined ? '-' : formatDuration(row.uptimeMs),
    row.location
  ])
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...lines.map((line) => (line[column] as string).length))
  )
  const pad = (line: readonly string[]): string =>
    line
      .map((text, column) => text.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd()
  return [output.style('dim', pad(HEADINGS)), ...lines.map(pad)].join('\n')
}
