// `partyd backup`: a second database with all entries of one moment, while the first is in use.

import type { Bytes } from '@partyd/shared'
import { type Command, type CommandInput, LOCATION } from '../command.js'
import { withExisting } from '../data/data-scope.js'
import type { ClientDatabase } from '../open-database.js'
import type { Output } from '../output.js'
import { assertOutside, directoryIsTaken, findTarget, isEmptyDirectory } from './partial-target.js'
import { describeTally, showProgress, type Tally } from './progress.js'
import { ScanPosition } from './scan-position.js'
import { ALL, scanSnapshot, withRestarts } from './snapshot-scan.js'

export const backupCommand: Command = {
  name: 'backup',
  summary: 'make a second database of all entries, as they are at one moment',
  arguments: [
    LOCATION,
    { name: 'target', description: 'a directory that does not exist yet, or is empty' }
  ],
  example: 'backup ./data ./data-backup',
  interruption: 'abort',
  async run(input, output) {
    const [directory = '', path = ''] = input.arguments
    const target = findTarget(path, refuseUnlessEmpty(path))
    assertOutside(directory, target, path)
    // As private as the database.
    process.umask(0o077)
    const startedAt = performance.now()
    const tally = await backUp(directory, input, target, output)
    const ms = Math.round(performance.now() - startedAt)
    const text = `backed up ${describeTally(tally, ms)} to ${target}`
    output.print({ ...tally, ms, target }, text)
    return undefined
  }
}

function refuseUnlessEmpty(path: string): typeof isEmptyDirectory {
  return (found, target) => {
    if (isEmptyDirectory(found, target)) return true
    throw directoryIsTaken(path)
  }
}

async function backUp(
  directory: string,
  input: CommandInput,
  target: string,
  output: Output
): Promise<Tally> {
  const { signal } = input
  try {
    return await withExisting(directory, input, {}, (database) =>
      withRestarts(output, signal, () => copyTo(target, database, signal, output))
    )
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

async function copyTo(
  target: string,
  database: ClientDatabase,
  signal: AbortSignal,
  output: Output
): Promise<Tally> {
  const tally = { entries: 0, bytes: 0 }
  const { BackupWriter } = await import('./backup-writer.js')
  const writer = await BackupWriter.create(target)
  const position = new ScanPosition(database, ALL)
  let last: Bytes | undefined
  const find = (): Promise<number | undefined> => position.find(last, tally.entries)
  const progress = await showProgress(output, 'backing up', tally, find)
  try {
    for await (const step of scanSnapshot(database, ALL, signal)) {
      await writer.write(step)
      last = step.at(-1)?.[0]
      tally.entries += step.length
      for (const [key, value] of step)
        tally.bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
    }
    await writer.complete()
    return tally
  } catch (error) {
    await writer.discard()
    throw error
  } finally {
    progress.stop()
  }
}
