// `partyd export`: all entries of one moment, as lines of JSON.

import { type Command, type CommandInput, LOCATION } from '../command.js'
import { BOUNDS, KEY_OPTIONS, LIMIT, readDataInput } from '../data/data-options.js'
import { withExisting } from '../data/data-scope.js'
import type { ClientDatabase } from '../open-database.js'
import type { Output } from '../output.js'
import {
  type ExportDestination,
  ExportFile,
  findFile,
  StandardOutput
} from './export-destination.js'
import {
  type Entry,
  encodeEnd,
  encodeEntry,
  encodeLongEntry,
  HEADER_LINE,
  isLongEntry
} from './export-format.js'
import { assertOutside } from './partial-target.js'
import { describeTally, showProgress, type Tally } from './progress.js'
import { ScanPosition } from './scan-position.js'
import { scanSnapshot, withRestarts } from './snapshot-scan.js'

/** What is written at a time: few calls, and little that waits. */
const WRITE_BYTES = 262_144

export const exportCommand: Command = {
  name: 'export',
  summary: 'write all entries, as they are at one moment, as lines of JSON',
  arguments: [
    LOCATION,
    { name: 'file', description: 'where to; default, and -: standard output', optional: true }
  ],
  options: [
    { flags: '--force', description: 'replace the file if it is there' },
    ...KEY_OPTIONS,
    ...BOUNDS,
    LIMIT
  ],
  example: 'export ./data backup.ndjson',
  interruption: 'abort',
  run: (input, output) => {
    const [directory = '', path] = input.arguments
    if (path === undefined || path === '-') return exportToOutput(input, output)
    const target = findFile(path, input.options['force'] === true)
    assertOutside(directory, target, path)
    return exportToFile(input, output, target)
  }
}

async function exportToOutput(input: CommandInput, output: Output): Promise<undefined> {
  const tally = { entries: 0, bytes: 0 }
  const startedAt = performance.now()
  try {
    await withOpen(input, (database) => {
      const destination = new StandardOutput(output)
      // A bar would be torn apart by what is written, if both are seen.
      const isSeen = process.stdout.isTTY === true
      return exportTo(database, input, destination, tally, isSeen ? undefined : output)
    })
  } catch (error) {
    if (tally.bytes > 0) {
      output.note(`Not complete, and without its last line: ${describe(tally, startedAt)}`)
    }
    throw error
  }
  output.note(`exported ${describe(tally, startedAt)}`)
}

async function exportToFile(
  input: CommandInput,
  output: Output,
  target: string
): Promise<undefined> {
  const mayReplace = input.options['force'] === true
  const startedAt = performance.now()
  const tally = await withOpen(input, (database) =>
    withRestarts(output, input.signal, async () => {
      const tally = { entries: 0, bytes: 0 }
      const file = await ExportFile.create(target, mayReplace)
      try {
        await exportTo(database, input, file, tally, output)
      } catch (error) {
        await file.discard()
        throw error
      }
      return tally
    })
  )
  const ms = Math.round(performance.now() - startedAt)
  output.print(
    { ...tally, ms, file: target },
    `exported ${describe(tally, startedAt)} to ${target}`
  )
}

/** An interruption ends it with its own reason, whatever it was noticed by. */
async function withOpen<T>(
  { arguments: [directory = ''], ...input }: CommandInput,
  use: (database: ClientDatabase) => Promise<T>
): Promise<T> {
  try {
    return await withExisting(directory, input, {}, use)
  } catch (error) {
    throw input.signal.aborted ? input.signal.reason : error
  }
}

/** @param watched where progress is shown, if it is. */
async function exportTo(
  database: ClientDatabase,
  input: CommandInput,
  destination: ExportDestination,
  tally: Tally,
  watched: Output | undefined
): Promise<void> {
  const range = readDataInput(input)
  const position = new ScanPosition(database, range)
  let last: Entry | undefined
  const find = (): Promise<number | undefined> => position.find(last?.[0], tally.entries)
  const progress = watched && (await showProgress(watched, 'exporting', tally, find))
  const lines = new LineWriter(destination, tally)
  try {
    await lines.write(HEADER_LINE)
    for await (const step of scanSnapshot(database, range, input.signal)) {
      await lines.writeEntries(step)
      last = step.at(-1)
    }
    await lines.write(encodeEnd(tally.entries))
    await lines.flush()
    await destination.complete()
  } finally {
    progress?.stop()
  }
}

/** Gathers lines, which are short, to what is worth writing. */
class LineWriter {
  readonly #destination: ExportDestination
  readonly #tally: Tally
  #text = ''

  constructor(destination: ExportDestination, tally: Tally) {
    this.#destination = destination
    this.#tally = tally
  }

  async writeEntries(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      if (isLongEntry(entry)) {
        for (const piece of encodeLongEntry(entry)) await this.write(piece)
      } else {
        this.#text += encodeEntry(entry)
        if (this.#text.length >= WRITE_BYTES) await this.flush()
      }
      this.#tally.entries++
    }
  }

  async write(text: string): Promise<void> {
    this.#text += text
    if (this.#text.length >= WRITE_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#text)
    this.#text = ''
    this.#tally.bytes += bytes.length
    await this.#destination.write(bytes)
  }
}

function describe(tally: Tally, startedAt: number): string {
  return describeTally(tally, performance.now() - startedAt)
}
