// What a command needs of a service manager, and the running of its program.

import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { CommandError } from '../failure.js'
import type { ServiceDefinition } from './service-definition.js'

/** A file that tells the manager of a service. */
export interface ServiceFile {
  readonly path: string
  readonly text: string
}

/** As the manager sees it. */
export type ServiceState =
  | 'running'
  /** Not ready yet: it opens the database, or waits for whoever has it. */
  | 'starting'
  | 'failed'
  | 'stopped'
  | 'not-installed'

export interface ServiceManager {
  /** The files of a service; `socket` adds what starts it by its socket. */
  describe(definition: ServiceDefinition, options: { socket: boolean }): ServiceFile[]
  /** Writes the file, and has the manager start the service now and whenever the machine or user does. */
  install(definition: ServiceDefinition): Promise<void>
  /** Undoes that. @returns whether there was anything to undo. */
  uninstall(name: string): Promise<boolean>
  state(name: string): Promise<ServiceState>
  /** The command that shows what the service has logged. */
  logCommand(name: string): string
  /** What else has to be done for it to be there whenever it is wanted. */
  advice(definition: ServiceDefinition): string | undefined
}

/** What a program printed, and how it ended. */
export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Of a service manager's program: it may wait for others, but not for ever. */
const RUN_MS = 30_000

/** Runs a program of the service manager. @throws CommandError when there is none. */
export function run(program: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: RUN_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve({ exitCode: 0, stdout, stderr })
      if (typeof error.code === 'number') return resolve({ exitCode: error.code, stdout, stderr })
      reject(cannotRun(program, args, error as NodeJS.ErrnoException))
    })
  })
}

/** Runs one that has to succeed. */
export async function runOrFail(
  program: string,
  args: readonly string[],
  explain: (ran: Ran) => string
): Promise<void> {
  const ran = await run(program, args)
  if (ran.exitCode === 0) return
  const said = ran.stderr.trim() || ran.stdout.trim() || `exit code ${ran.exitCode}`
  throw new CommandError('PARTYD_SERVICE', `${program} ${args.join(' ')}: ${said}`, explain(ran))
}

function cannotRun(
  program: string,
  args: readonly string[],
  { code, message }: NodeJS.ErrnoException
): CommandError {
  if (code === 'ENOENT') {
    return new CommandError(
      'PARTYD_SERVICE',
      `There is no program ${program} on the PATH`,
      'See what would be installed, to adapt it to what starts services here: partyd service print <location>.'
    )
  }
  return new CommandError('PARTYD_SERVICE', `${program} ${args.join(' ')}: ${message}`)
}

/** Whole or not at all: the manager may read it at any time. */
export function writeServiceFile({ path, text }: ServiceFile): void {
  const temporary = `${path}.${process.pid}`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temporary, text)
    chmodSync(temporary, 0o644)
    renameSync(temporary, path)
  } catch (error) {
    throw new CommandError(
      'PARTYD_SERVICE',
      `Cannot write ${path}: ${(error as Error).message}`,
      'Services of the machine (--system) are installed by root: use sudo. Those of a user need no rights.'
    )
  }
}
