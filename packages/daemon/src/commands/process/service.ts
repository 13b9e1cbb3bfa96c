// `partyd service …`: the daemon of a location as a service of systemd or launchd.

import { existsSync, realpathSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KIND, resolveLocation, TIMES, toDaemonArguments } from '@partyd/shared'
import { ENTRY_PATH } from '../../entry-path.js'
import { type Command, type CommandInput, type CommandOption, LOCATION } from '../command.js'
import { CommandError, EXIT, UsageError } from '../failure.js'
import { LaunchdManager } from '../service/launchd-manager.js'
import {
  assertLasting,
  type ServiceDefinition,
  serviceName
} from '../service/service-definition.js'
import type { ServiceManager, ServiceState } from '../service/service-manager.js'
import { SystemdManager } from '../service/systemd-manager.js'
import { askDaemon } from './ask-daemon.js'
import { DAEMON_OPTIONS, resolveArguments } from './serve.js'

interface ServiceOptions {
  readonly system?: boolean
  readonly runAs?: string
  readonly launchd?: boolean
  readonly socket?: boolean
}

const SCOPE_OPTIONS: readonly CommandOption[] = [
  { flags: '--user', description: 'the user’s own service (the default)' },
  { flags: '--system', description: 'a service of the machine instead of the user’s own' },
  { flags: '--launchd', description: 'of launchd, as on macOS, instead of systemd' }
]

/** What the service itself is to be like. */
const DEFINITION_OPTIONS: readonly CommandOption[] = [
  ...SCOPE_OPTIONS,
  {
    flags: '--run-as <user>',
    description: 'with --system: who the daemon runs as (default: who owns the location)'
  },
  ...DAEMON_OPTIONS
]

export const serviceInstallCommand: Command = {
  name: 'service install',
  summary: 'write, enable and start a service for a location',
  arguments: [{ ...LOCATION, description: 'the database directory; created if it does not exist' }],
  options: DEFINITION_OPTIONS,
  example: 'service install ./data',
  async run(input, output) {
    const manager = findManager(input)
    assertLasting(ENTRY_PATH)
    const definition = define(input, isSystem(input) ? 'find' : 'create')
    const { location } = definition
    await manager.install(definition)
    const name = serviceName(location)
    const state = await settled(manager, name, input)
    if (state === 'failed' || state === 'stopped') throw failed(manager, name)
    const [file] = manager.describe(definition, { socket: false })
    output.print(
      { service: name, state, location, path: file?.path },
      `${name} is installed and ${state}: ${file?.path}`
    )
    if (state !== 'running') output.note(`See how it goes on: ${manager.logCommand(name)}`)
    const advice = manager.advice(definition)
    if (advice !== undefined) output.note(advice)
    return EXIT.ok
  }
}

export const serviceUninstallCommand: Command = {
  name: 'service uninstall',
  summary: 'stop, disable and remove the service of a location; the database stays',
  arguments: [LOCATION],
  options: SCOPE_OPTIONS,
  example: 'service uninstall ./data',
  async run(input, output) {
    const name = serviceName(findLocation(input))
    const isRemoved = await findManager(input).uninstall(name)
    output.print(
      { service: name, removed: isRemoved },
      isRemoved ? `${name} is removed` : `there is no service ${name}`
    )
    return EXIT.ok
  }
}

export const serviceStatusCommand: Command = {
  name: 'service status',
  summary: 'tell what the service manager and the daemon say of a location',
  arguments: [LOCATION],
  options: SCOPE_OPTIONS,
  example: 'service status ./data',
  async run(input, output) {
    const location = findLocation(input)
    const name = serviceName(location)
    const manager = findManager(input)
    const state = await manager.state(name)
    const found = await askDaemon(location, KIND.status, { timeoutMs: input.timeoutMs })
    const daemon =
      found.status === 'running'
        ? { status: found.status, pid: found.welcome.pid, mode: found.welcome.mode }
        : { status: found.status }
    const { pid, mode } = { pid: undefined, mode: undefined, ...daemon }
    output.print(
      { service: name, state, location, daemon },
      output.list({ service: name, state, location, daemon: daemon.status, pid, mode })
    )
    if (state === 'failed') output.note(`See why: ${manager.logCommand(name)}`)
    if (state === 'not-installed') output.note(`Install it: partyd service install ${location}`)
    if (state === 'running' && found.status === 'unresponsive') return EXIT.unresponsive
    return state === 'running' ? EXIT.ok : EXIT.notRunning
  }
}

export const servicePrintCommand: Command = {
  name: 'service print',
  summary: 'print what `service install` would write, and change nothing',
  arguments: [LOCATION],
  options: [
    ...DEFINITION_OPTIONS,
    { flags: '--socket', description: 'as a pair of units that starts with the first client' }
  ],
  example: 'service print ./data > partyd.service',
  async run(input, output) {
    assertLasting(ENTRY_PATH)
    const { socket = false, launchd } = input.options as ServiceOptions
    if (socket && launchd) {
      throw new UsageError(
        'launchd hands its sockets to native code only, so there is no --socket',
        'Leave it out: the service then starts at login or boot.'
      )
    }
    const files = findManager(input).describe(define(input, 'name'), { socket })
    const texts = files.map(({ path, text }) => (files.length > 1 ? `# ${path}\n${text}` : text))
    output.print({ files }, texts.join('\n').trimEnd())
    return EXIT.ok
  }
}

function findManager({ options }: CommandInput): ServiceManager {
  const { launchd } = options as ServiceOptions
  const scope = isSystem({ options }) ? 'system' : 'user'
  if (launchd || process.platform === 'darwin') return new LaunchdManager(scope)
  if (process.platform !== 'win32') return new SystemdManager(scope)
  throw new UsageError(
    'on Windows partyd installs no service',
    'Have the Task Scheduler run it at log-on: schtasks /create /sc onlogon /tn partyd /tr "partyd serve <location> --service".'
  )
}

function isSystem({ options }: Pick<CommandInput, 'options'>): boolean {
  return (options as ServiceOptions).system === true
}

function define(input: CommandInput, how: 'create' | 'find' | 'name'): ServiceDefinition {
  const { runAs } = input.options as ServiceOptions
  const scope = isSystem(input) ? 'system' : 'user'
  if (runAs !== undefined && scope === 'user') {
    throw new UsageError('--run-as needs --system', 'A service of a user runs as that user.')
  }
  const directory = input.arguments[0] ?? ''
  const location = how === 'create' ? resolveLocation(directory, true) : findLocation(input)
  const settings = resolveArguments(location, input.options)
  return {
    location,
    node: process.execPath,
    entry: ENTRY_PATH,
    scope,
    user: scope === 'system' ? (runAs ?? findOwner(location)) : undefined,
    daemonArguments: toDaemonArguments({ ...settings, mode: 'service' })
  }
}

/** Its real path, or what that will be when there is such a directory. */
function findLocation({ arguments: [directory = ''] }: CommandInput): string {
  return existsSync(directory) ? realpathSync.native(directory) : resolve(directory)
}

/** The number will do: systemd takes it for a name. */
function findOwner(location: string): string {
  const stat = statSync(location, { throwIfNoEntry: false })
  if (stat !== undefined) return String(stat.uid)
  throw new UsageError(
    `there is no directory ${location} whose owner the service could run as`,
    'Say who: --run-as <user>; and make the directory, owned by that user.'
  )
}

/** How often the manager is asked how far it has come. */
const POLL_MS = 200

/** The state when it is final, or how it is after a while: a service may wait for its location. */
async function settled(
  manager: ServiceManager,
  name: string,
  { signal }: CommandInput
): Promise<ServiceState> {
  const startedAt = performance.now()
  for (;;) {
    const state = await manager.state(name)
    const isFinal = state === 'running' || state === 'failed'
    if (isFinal || performance.now() - startedAt >= TIMES.connect) return state
    await sleep(POLL_MS, undefined, { signal })
  }
}

function failed(manager: ServiceManager, name: string): CommandError {
  const hint = `See why: ${manager.logCommand(name)}. Then try again; or remove it: partyd service uninstall <location>.`
  return new CommandError('PARTYD_SERVICE', `${name} is installed, but did not start`, hint)
}
