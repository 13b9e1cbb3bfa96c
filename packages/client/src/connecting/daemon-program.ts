// Runs the program of the package `partyd` detached from this process, and with an environment that
// is not this process's own.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { PartyError } from '@partyd/shared'
import type { SpawnOptions } from '../options.js'
import { createLocalRequire } from './installed.js'

/**
 * @param args what follows `partyd` on the command line.
 * @throws PartyError `PARTYD_NOT_RUNNING` when the program is not to be found.
 */
export function spawnDaemonProgram(
  args: readonly string[],
  how: SpawnOptions,
  stdio: StdioOptions
): ChildProcess {
  const entry = how.entry === undefined ? findEntry() : resolve(how.entry)
  const command = [how.execPath ?? process.execPath, ...(how.args ?? []), entry, ...args]
  if (how.scope) command.unshift('systemd-run', '--user', '--scope', '--collect', '--quiet')
  return spawn(command[0] as string, command.slice(1), {
    detached: true,
    // Not the host's directory, which may be removed or unmounted while the program runs.
    cwd: process.platform === 'win32' ? homedir() : '/',
    stdio,
    env: { ...daemonEnvironment(), ...how.env },
    windowsHide: true
  })
}

/** Tells programs apart that may differ in whether they run at all. A hash: variables may be secret. */
export function identifyProgram({ execPath, args, entry, env }: SpawnOptions): string {
  const parts = [execPath ?? process.execPath, args, entry && resolve(entry), env]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

/**
 * What the program was started to report on, descriptor 3. Undefined for a child that came to nothing
 * because this process has no descriptors left.
 */
export function readyChannelOf({ stdio }: ChildProcess): Readable | undefined {
  return (stdio as ChildProcess['stdio'] | undefined)?.[3] as Readable | undefined
}

function findEntry(): string {
  const require = createLocalRequire()
  try {
    return require.resolve('partyd/entry')
  } catch (cause) {
    const directories = require.resolve.paths('partyd') ?? []
    // Node finds nothing while there are no descriptors left, and remembers for ever that it did not.
    const entry = directories.map((directory) => join(directory, ENTRY)).find(existsSync)
    if (entry !== undefined) return realpathSync(entry)
    // As in a bundle that stands alone.
    const [from] = directories
    const message = `The package partyd, whose daemon is to be started, is not installed in ${from} or above. Install it there, say with the option 'spawn.entry' where its bin/partyd.cjs is, or start the daemon by hand.`
    throw new PartyError('PARTYD_NOT_RUNNING', message, { path: from, cause })
  }
}

/** What `partyd/entry` stands for, in a directory of packages. */
const ENTRY = join('partyd', 'bin', 'partyd.cjs')

/**
 * Variables that are the host's business: debuggers, coverage, package managers, service managers, and
 * certificates, which Node reads whenever it starts and takes half as long again for.
 */
const HOST_VARIABLES =
  /^(NODE_OPTIONS|NODE_V8_COVERAGE|NODE_EXTRA_CA_CERTS|NODE_CHANNEL_FD|NODE_CHANNEL_SERIALIZATION_MODE|NODE_INSPECT.*|NODE_PENDING_PIPE_INSTANCES|VSCODE_.*|npm_.*|LISTEN_.*|NOTIFY_SOCKET|PARTYD_.*)$/

/** The first client must not configure the daemon, so what configures Node is left out. */
function daemonEnvironment(): NodeJS.ProcessEnv {
  // Node hands this one on by itself, unless the environment has it, be it without a value.
  const environment: NodeJS.ProcessEnv = { NODE_V8_COVERAGE: undefined }
  for (const [name, value] of Object.entries(process.env)) {
    if (!HOST_VARIABLES.test(name)) environment[name] = value
  }
  if (process.versions['electron'] !== undefined) environment['ELECTRON_RUN_AS_NODE'] = '1'
  return environment
}
