// `partyd import`: puts the entries of an export into a location, in batches, in the order they come.

import { setTimeout as sleep } from 'node:timers/promises'
import { isHidden } from '../../store/key-space.js'
import { type Command, type CommandInput, LOCATION } from '../command.js'
import { SUBLEVEL } from '../data/data-options.js'
import { openScope } from '../data/data-scope.js'
import { CommandError, describeFailure, EXIT, UsageError } from '../failure.js'
import { Interrupted } from '../interruption.js'
import { type ClientDatabase, withDatabase } from '../open-database.js'
import type { Output } from '../output.js'
import { quotePath, quoteWord } from '../quote.js'
import { type Entry, ExportReader, LineError } from './export-format.js'
import { ImportBatches } from './import-batches.js'
import { Source } from './import-source.js'
import { describeTally, showProgress } from './progress.js'

/** Wrong lines that a dry run tells of. */
const WRONG_LINES_MAX = 20
/** How long an import that is interrupted waits to hear what has been written. */
const SETTLE_MS = 5_000

export const importCommand: Command = {
  name: 'import',
  summary: 'put the entries of an export into a location, which is created if it does not exist',
  arguments: [
    LOCATION,
    { name: 'file', description: 'where from; default, and -: standard input', optional: true }
  ],
  options: [
    { flags: '--dry-run', description: 'check every line and write nothing' },
    {
      flags: '--from-line <n>',
      description: 'go on with an import that was interrupted, from the line that it has told',
      parse: parseLineNumber,
      default: 1
    },
    SUBLEVEL
  ],
  example: 'import ./data backup.ndjson --dry-run',
  interruption: 'abort',
  async run(input, output) {
    const [, path] = input.arguments
    const source = await Source.open(path, input.signal)
    if (path === undefined && process.stdin.isTTY) output.note('Reading from standard input.')
    return input.options['dryRun'] === true
      ? checkOnly(source, input, output)
      : importFrom(source, input, output)
  }
}

function parseLineNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new TypeError('give the number of a line; the first is 1')
  return Number(text)
}

/** What the lines have to be, and what the options ask of them. */
function createReader(source: Source, options: CommandInput['options']): LineChecks {
  return new LineChecks(source, options['fromLine'] as number, options['sublevel'] === undefined)
}

class LineChecks {
  readonly #source: Source
  readonly #reader: ExportReader
  readonly #keysAreWhole: boolean

  constructor(source: Source, fromLine: number, keysAreWhole: boolean) {
    this.#source = source
    this.#reader = new ExportReader(fromLine)
    this.#keysAreWhole = keysAreWhole
  }

  /** @returns the entry of the line, if it has one that is to be put. @throws LineError */
  read(text: string | LineError): Entry | undefined {
    const entry = this.#reader.read(text, this.#source.line, this.#source.isCut)
    if (entry === undefined || typeof entry[0] === 'string') return entry
    if (this.#keysAreWhole && isHidden(entry[0])) {
      throw new LineError('the key lies in the range that partyd keeps for itself')
    }
    return entry
  }

  /** Whether the last line has come. */
  get isComplete(): boolean {
    return this.#reader.isComplete
  }
}

async function checkOnly(source: Source, input: CommandInput, output: Output): Promise<number> {
  const startedAt = performance.now()
  const checks = createReader(source, input.options)
  const tally = { entries: 0, bytes: 0 }
  const wrong: { readonly line: number; readonly reason: string }[] = []
  let wrongLines = 0
  const progress = await showProgress(output, 'checking', tally, async () => source.fraction)
  const check = (text: string | LineError): undefined => {
    try {
      if (checks.read(text) !== undefined) tally.entries++
    } catch (error) {
      if (!(error instanceof LineError)) throw error
      wrongLines++
      if (wrong.length < WRONG_LINES_MAX) wrong.push({ line: source.line, reason: error.message })
    }
    tally.bytes = source.bytesRead
  }
  try {
    await source.forEachLine(check)
  } catch (error) {
    throw input.signal.aborted ? input.signal.reason : error
  } finally {
    progress.stop()
  }
  tally.bytes = source.bytesRead
  const { isComplete } = checks
  for (const { line, reason } of wrong) output.note(`line ${line}: ${reason}`)
  if (wrongLines > wrong.length) output.note(`and ${wrongLines - wrong.length} more`)
  if (!isComplete) output.note(TRUNCATED)
  const ms = Math.round(performance.now() - startedAt)
  output.print(
    { dryRun: true, ...tally, ms, isComplete, wrongLines, wrong },
    `checked ${describeTally(tally, ms)}; ${wrongLines} wrong lines; nothing was written`
  )
  return wrongLines === 0 && isComplete ? EXIT.ok : EXIT.no
}

const TRUNCATED = 'The last line, with the count, is missing: the export was cut off.'

async function importFrom(
  source: Source,
  input: CommandInput,
  output: Output
): Promise<number | undefined> {
  const startedAt = performance.now()
  const [directory = ''] = input.arguments
  const { fromLine, sublevel } = input.options as { fromLine: number; sublevel?: readonly string[] }
  let batches: ImportBatches | undefined
  try {
    await source.checkBeginning()
    await withDatabase(directory, input, { createIfMissing: true }, async (database) => {
      const target = openScope(database, sublevel ?? []).entries
      batches = new ImportBatches(target, fromLine - 1)
      await importLines(source, input, batches, output)
      await settleOnDisk(database)
    })
  } catch (error) {
    await Promise.race([
      batches?.settle().catch(() => {}),
      sleep(SETTLE_MS, undefined, { ref: false })
    ])
    const reason = (input.signal.aborted ? input.signal.reason : error) as Error
    const place = describePlace(batches, input)
    if (input.signal.aborted) return endInterrupted(reason, place, output)
    throw explain(reason, source, place)
  }
  const ms = Math.round(performance.now() - startedAt)
  const tally = { entries: batches?.written.entries ?? 0, bytes: source.bytesRead }
  output.print({ ...tally, ms }, `imported ${describeTally(tally, ms)}`)
  return undefined
}

async function importLines(
  source: Source,
  { options, signal }: CommandInput,
  batches: ImportBatches,
  output: Output
): Promise<void> {
  const checks = createReader(source, options)
  const tally = { entries: 0, bytes: 0 }
  const progress = await showProgress(output, 'importing', tally, async () => {
    tally.entries = batches.written.entries
    tally.bytes = source.bytesRead
    return source.fraction
  })
  try {
    await source.forEachLine((text) => {
      signal.throwIfAborted()
      const entry = checks.read(text)
      return entry && batches.add(entry[0], entry[1], source.line)
    })
    await batches.finish()
  } finally {
    progress.stop()
  }
  if (checks.isComplete) return
  const fromLine = options['fromLine'] as number
  if (fromLine > source.line) {
    const text = `there is no line ${fromLine}: the input has ${source.line}`
    throw new CommandError('PARTYD_INVALID_INPUT', text, 'Nothing was written.')
  }
  const hint =
    'All entries that it has are in the database. Get the rest of it, and import it again.'
  throw new CommandError('PARTYD_TRUNCATED', TRUNCATED, hint)
}

/**
 * A write that waits for the disk is not enough: LevelDB does not sync the log that it has left for a
 * new one while it makes a table of its entries. Compacting a range waits for that, be it empty.
 */
async function settleOnDisk(database: ClientDatabase): Promise<void> {
  const nothing = Buffer.alloc(1)
  await database.compactRange(nothing, nothing)
}

/** How far it has come. */
interface Place {
  readonly entries: number
  /** The next line to import. */
  readonly nextLine: number
  readonly text: string
}

function describePlace(batches: ImportBatches | undefined, input: CommandInput): Place {
  const fromLine = input.options['fromLine'] as number
  const entries = batches?.written.entries ?? 0
  if (batches === undefined || (entries === 0 && batches.areAnswered)) {
    return { entries, nextLine: fromLine, text: 'Nothing was written.' }
  }
  const nextLine = batches.written.line + 1
  const parts = [
    entries > 0 && `The lines before ${nextLine} are in the database.`,
    !batches.areAnswered && `Lines from ${nextLine} on may be there, too.`,
    `To go on: ${commandToGoOn(input, nextLine)}. To begin anew does no harm, either.`
  ]
  return { entries, nextLine, text: parts.filter(Boolean).join(' ') }
}

/** What leads to the same place of the same database. */
function commandToGoOn({ arguments: paths, options }: CommandInput, nextLine: number): string {
  const sublevels = (options['sublevel'] as readonly string[] | undefined) ?? []
  return [
    'partyd import',
    ...paths.flatMap((path) => (path === undefined ? [] : quotePath(path))),
    ...sublevels.map((name) => `--sublevel ${quoteWord(name)}`),
    `--from-line ${nextLine}`
  ].join(' ')
}

/** By the user, or by the time-out, which is an error: both say how far it has come. */
function endInterrupted(reason: Error, { text, ...place }: Place, output: Output): number {
  if (reason instanceof Interrupted) {
    if (output.json) output.print({ interrupted: true, ...place }, '')
    output.note(`Interrupted. ${text}`)
    throw reason
  }
  const { code, message, details, exitCode } = describeFailure(reason)
  output.warn(`${code}: ${message}\n  ${text}`)
  const error = { code, message, hint: text, ...details }
  if (output.json) output.print({ interrupted: true, ...place, error }, '')
  return exitCode
}

/** What ended it, what to do about that, and how far it had come. */
function explain(error: Error, source: Source, { text }: Place): Error {
  if (error instanceof LineError) {
    return new CommandError('PARTYD_INVALID_INPUT', `line ${source.line}: ${error.message}`, text)
  }
  if (error instanceof CommandError || error instanceof UsageError) return error
  const { hint } = describeFailure(error)
  return Object.assign(error, { hint: hint === undefined ? text : `${hint} ${text}` })
}
