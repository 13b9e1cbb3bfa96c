// `partyd destroy` and `partyd repair`, for people and for the clients that run them.

import { resolve } from 'node:path'
import { EXIT_CODES, toWireError } from '@partyd/shared'
import { StartChannel } from '../../start/start-channel.js'
import { StartError } from '../../start/start-error.js'
import { type Command, LOCATION } from '../command.js'
import { findDirectory } from '../process/find-directory.js'

type Work = 'destroy' | 'repair'

export const repairCommand: Command = createCommand(
  'repair',
  'put a damaged database together from what can be read; a daemon is stopped first'
)

export const destroyCommand: Command = createCommand(
  'destroy',
  'remove the database of a location and all its files; a daemon is stopped first'
)

function createCommand(name: Work, summary: string): Command {
  return {
    name,
    summary,
    arguments: [LOCATION],
    // Where the error is reported as a daemon reports its own; a person reads standard error.
    options: [{ flags: '--ready-fd <fd>', description: 'descriptor to report on', hidden: true }],
    example: `${name} ./data`,
    interruption: 'ignore',
    async run({ arguments: [directory = ''], options, timeoutMs }, output) {
      const readyFd = options['readyFd'] as string | undefined
      if (name === 'repair' && readyFd === undefined) findDirectory(directory)
      const done = await runWork(name, directory, readyFd, timeoutMs)
      output.print({ done, location: resolve(directory) }, done ? 'done' : 'nothing to remove')
      return undefined
    }
  }
}

/** @returns whether there was anything to do. */
async function runWork(
  name: Work,
  directory: string,
  readyFd: string | undefined,
  timeoutMs: number | undefined
): Promise<boolean> {
  const channel = new StartChannel(readyFd === undefined ? undefined : Number(readyFd))
  process.umask(0o077)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      process.stderr.write(`partyd: ${name} cannot be interrupted without damage; wait for it\n`)
    })
  }
  try {
    // With LevelDB, which no other command but the daemon itself needs.
    const { destroy, repair } = await import('./location-work.js')
    if (name === 'destroy') return await destroy(directory, timeoutMs)
    await repair(directory, timeoutMs)
    return true
  } catch (error) {
    const exitCode = error instanceof StartError ? error.exitCode : EXIT_CODES.bug
    const reason = error instanceof StartError ? error.error : error
    channel.report({ event: 'error', exitCode, error: toWireError(reason, { path: directory }) })
    throw error
  } finally {
    channel.close()
  }
}
