// Runs the program of the package `partyd` detached from this process, and with an environment that
// is not this process's own.

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import type { SpawnOptions } from '../options.js'

/** @param args what follows `partyd` on the command line. */
export function spawnDaemonProgram(
  args: readonly string[],
  how: SpawnOptions,
  stdio: StdioOptions
): ChildProcess {
  const entry = createRequire(import.meta.url).resolve('partyd/entry')
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

/** Variables that are the host's business: debuggers, coverage, package managers, service managers. */
const HOST_VARIABLES =
  /^(NODE_OPTIONS|NODE_V8_COVERAGE|NODE_CHANNEL_FD|NODE_CHANNEL_SERIALIZATION_MODE|NODE_INSPECT.*|NODE_PENDING_PIPE_INSTANCES|VSCODE_.*|npm_.*|LISTEN_.*|NOTIFY_SOCKET|PARTYD_.*)$/

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
