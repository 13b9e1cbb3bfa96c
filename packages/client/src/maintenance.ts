// Destroying and repairing a database: work for LevelDB, and so for a process of partyd's, which this
// one waits for.

import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fromWireError, PartyError, parseStartReport } from '@partyd/shared'
import { readyChannelOf, spawnDaemonProgram } from './connecting/daemon-program.js'
import { assertLocation, type SpawnOptions } from './options.js'

/** How to run `partyd destroy` or `partyd repair`. */
export interface MaintenanceOptions {
  spawn?: SpawnOptions | undefined
}

/** What of its last words an error quotes. */
const STDERR_LENGTH_MAX = 4096

/** @throws PartyError or LevelError with the reason; TypeError when the location is none. */
export async function maintain(
  command: 'destroy' | 'repair',
  directory: string,
  { spawn = {} }: MaintenanceOptions
): Promise<void> {
  assertLocation(directory)
  const location = resolve(directory)
  const args = [command, location, '--ready-fd', '3']
  const child = spawnDaemonProgram(args, spawn, ['ignore', 'ignore', 'pipe', 'pipe'])
  const error = await failureOf(child, command, location)
  if (error !== undefined) throw error
}

async function failureOf(
  child: ChildProcess,
  command: string,
  path: string
): Promise<Error | undefined> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_LENGTH_MAX)
  })
  let reported: Error | undefined
  const input = readyChannelOf(child)
  if (input !== undefined) {
    createInterface({ input }).on('line', (line) => {
      const report = parseStartReport(line)
      if (report?.event === 'error') reported = fromWireError(report.error)
    })
  }
  const { pid } = child
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    if (code === 0) return undefined
    const end = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
    const message = `\`partyd ${command}\` for ${path} ${end}. ${stderr.trim()}`
    return reported ?? new PartyError('PARTYD_CRASHED', message, { path, pid })
  } catch (cause) {
    const message = `\`partyd ${command}\` for ${path} could not be started: ${(cause as Error).message}`
    return new PartyError('PARTYD_CRASHED', message, { path, cause })
  }
}
