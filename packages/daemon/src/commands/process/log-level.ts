// `partyd log-level`: what a daemon logs, changed while it runs.

import { type Configuration, KIND, LOG_LEVELS } from '@partyd/shared'
import { type Command, LOCATION } from '../command.js'
import { parseDurationOrNever } from '../duration.js'
import { EXIT, UsageError } from '../failure.js'
import { askDaemon } from './ask-daemon.js'
import { toWire } from './start-daemon.js'
import { describeTime, printAbsence } from './status.js'

export const logLevelCommand: Command = {
  name: 'log-level',
  summary: 'change what the daemon of a location logs, or show it, while it runs',
  arguments: [
    LOCATION,
    { name: 'level', description: `one of ${LOG_LEVELS.join(', ')}`, optional: true }
  ],
  options: [
    {
      flags: '--slow <time>',
      description: 'log operations that take at least this long, or `never`',
      parse: parseDurationOrNever
    }
  ],
  interruption: 'abort',
  isWrite: true,
  example: 'log-level ./data debug --slow 50ms',
  async run({ arguments: [directory = '', level], options, timeoutMs, signal }, output) {
    const body = toConfiguration(level, options['slow'] as number | undefined)
    const found = await askDaemon(directory, KIND.configure, { timeoutMs, signal, body })
    if (found.status !== 'running') return printAbsence(found, directory, output)
    const { logLevel, slowOperationsMs } = found.answer as Configuration
    const { pid } = found.welcome
    output.print(
      { pid, logLevel, slowOperationsMs },
      output.list({ 'log level': logLevel, 'slow from': describeTime(slowOperationsMs) })
    )
    return EXIT.ok
  }
}

function toConfiguration(level: string | undefined, slowMs: number | undefined): Configuration {
  if (level !== undefined && !(LOG_LEVELS as readonly string[]).includes(level)) {
    throw new UsageError(
      `there is no log level '${level}'`,
      `Give one of ${LOG_LEVELS.join(', ')}.`
    )
  }
  return {
    ...(level !== undefined && { logLevel: level }),
    ...(slowMs !== undefined && { slowOperationsMs: toWire(slowMs) })
  }
}
