// `partyd logs`: the log of a location, as people or programs read it.

import { KIND, LOG_LEVELS, locationFiles, TIMES } from '@partyd/shared'
import { type Command, LOCATION } from '../command.js'
import { CommandError, UsageError } from '../failure.js'
import type { Output } from '../output.js'
import { askDaemon } from './ask-daemon.js'
import { findDirectory, isReadable } from './find-directory.js'
import { FollowedLog, readLastLines } from './log-reader.js'

/** As `tail` does. */
const LINES = 10

/** Pino's number of the least severe level; the others follow in tens. */
const LOWEST_LEVEL = 10

interface LogsOptions {
  readonly follow?: boolean
  readonly lines: number
  readonly level?: (typeof LOG_LEVELS)[number]
}

type Format = (line: string) => string

export const logsCommand: Command = {
  name: 'logs',
  summary: 'show the log that the daemons of a location have written',
  arguments: [LOCATION],
  options: [
    { flags: '-f, --follow', description: 'go on with what is added, also by later daemons' },
    {
      flags: '-n, --lines <n>',
      description: `how many of the last lines (${LINES})`,
      parse: parseLines,
      default: LINES
    },
    {
      flags: '--level <level>',
      description: 'only lines at least this severe, and what is no record',
      choices: LOG_LEVELS
    }
  ],
  example: 'logs ./data -f --level warn',
  async run({ arguments: [directory = ''], options }, output) {
    const { follow = false, lines, level } = options as unknown as LogsOptions
    const path = await findLog(directory, output)
    const format = await createFormat(output)
    const passes = createFilter(level)
    const log = follow ? new FollowedLog(path) : undefined
    const until = log?.position ?? Number.POSITIVE_INFINITY
    for (const line of readLastLines(path, lines, until, passes)) await output.write(format(line))
    if (log === undefined) return undefined
    for await (const line of log.lines()) if (passes(line)) await output.write(format(line))
    return undefined
  }
}

/** @throws CommandError when there is none to be seen; PartyError when this user may not see it. */
async function findLog(directory: string, output: Output): Promise<string> {
  const location = findDirectory(directory)
  const { log } = locationFiles(location)
  const elsewhere = await findLogElsewhere(location)
  if (!isReadable(log)) {
    const hint = 'Daemons that clients or `partyd start` start log into partyd.log.'
    throw new CommandError('PARTYD_NO_LOG', elsewhere ?? `There is no ${log} yet.`, hint)
  }
  if (elsewhere !== undefined) output.note(`${elsewhere} What follows is of others.`)
  return log
}

/** Where the daemon that runs now logs to, if it is not into the location. */
async function findLogElsewhere(location: string): Promise<string | undefined> {
  const found = await askDaemon(location, KIND.status, { timeoutMs: TIMES.aside }).catch(
    () => undefined // What it has logged can be read all the same.
  )
  if (found?.status !== 'running' || typeof found.answer['log'] === 'string') return undefined
  const { pid, mode } = found.welcome
  return mode === 'service'
    ? `The daemon (pid ${pid}) is a service and logs to the service manager: see journalctl.`
    : `The daemon (pid ${pid}) runs in the foreground and logs to its standard output.`
}

/** Records for people on a terminal, and as they are for programs. */
async function createFormat(output: Output): Promise<Format> {
  if (output.json) return (line) => `${parseRecord(line) ? line : JSON.stringify({ raw: line })}\n`
  if (!output.isTerminal) return (line) => `${line}\n`
  const { createPrettyPrinter } = await import('../../log/pretty-log.js')
  return createPrettyPrinter(process.stdout.hasColors?.() ?? false)
}

/** What a crash has left is no record, and severe enough. */
function createFilter(level: LogsOptions['level']): (line: string) => boolean {
  if (level === undefined) return () => true
  const least = LOWEST_LEVEL * (1 + LOG_LEVELS.indexOf(level))
  return (line) => (parseRecord(line)?.level ?? Number.POSITIVE_INFINITY) >= least
}

function parseRecord(line: string): { readonly level?: number } | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as { level?: number }
  } catch {
    return undefined
  }
}

function parseLines(text: string): number {
  const count = Number(text)
  if (text !== '' && Number.isSafeInteger(count) && count >= 0) return count
  throw new UsageError(`a number of lines is a whole number, not '${text}'`)
}
