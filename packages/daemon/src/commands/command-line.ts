// The command line for people. The only file that knows commander.

import { DATABASE_FLAGS, EXIT_CODES, resolveDaemonArguments } from '@partyd/shared'
import { Command, CommanderError, Option } from 'commander'
import { serve } from '../daemon.js'
import { PACKAGE_VERSION } from '../package-version.js'
import { ping, status, stop } from './control.js'
import { destroy, type Maintenance, repair, runMaintenance } from './maintenance.js'

export async function runCommandLine(list: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(list, { from: 'user' })
  } catch (error) {
    process.exitCode = exitCodeOf(error)
  }
}

function createProgram(): Command {
  const program = new Command('partyd')
    .description('Share one LevelDB directory between any number of processes.')
    .version(PACKAGE_VERSION)
    .exitOverride()
    .showHelpAfterError('Try `partyd --help`.')
  const serveCommand = program
    .command('serve', { isDefault: true })
    .description('serve a location in the foreground until it is told to stop')
    .argument('<location>', 'the database directory; created if it does not exist')
    .option('--service', 'run under a service manager: wait for the location instead of failing')
    .option('--idle-timeout <ms>', 'end after this long without clients, or `never`')
    .addOption(
      new Option('--log-level <level>', 'least severe level to log')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
        .default('info')
    )
    .option('--fence-interval <ms>', 'how often to look whether the location is still its own')
    .addOption(readyFdOption())
    .addHelpText('after', '\nExample:\n  $ npx partyd ./data')
  addDatabaseOptions(serveCommand)
  addControlCommand(program, 'stop', 'stop the daemon of a location and wait for its lock', stop)
  addControlCommand(program, 'status', 'print what the daemon of a location says of itself', status)
  addControlCommand(
    program,
    'ping',
    'print how long the daemon of a location takes to answer',
    ping
  )
  addMaintenanceCommand(program, 'remove the database of a location, and all its files', destroy)
  addMaintenanceCommand(program, 'put a damaged database together from what can be read', repair)
  serveCommand.action((location: string, options: Record<string, unknown>) => {
    const flagValue = (flag: string): unknown => options[toCamelCase(flag)]
    return serve(resolveDaemonArguments(location, flagValue))
  })
  return program
}

function addControlCommand(
  program: Command,
  name: string,
  description: string,
  run: (location: string) => Promise<number>
): void {
  program
    .command(name)
    .description(description)
    .argument('<location>', 'the database directory')
    .action(async (location: string) => {
      process.exitCode = await run(location)
    })
}

function addMaintenanceCommand(program: Command, description: string, run: Maintenance): void {
  program
    .command(run.name)
    .description(`${description}; a daemon is stopped first`)
    .argument('<location>', 'the database directory')
    .addOption(readyFdOption())
    .action(async (location: string, { readyFd }: { readyFd?: string }) => {
      process.exitCode = await runMaintenance(run, location, readyFd)
    })
}

function readyFdOption(): Option {
  return new Option('--ready-fd <fd>', 'descriptor to report on').hideHelp()
}

function addDatabaseOptions(command: Command): void {
  for (const { flag, type, default: value, description } of Object.values(DATABASE_FLAGS)) {
    const name = type === 'number' ? `--${flag} <n>` : value ? `--no-${flag}` : `--${flag}`
    const text =
      type === 'number'
        ? `${description} (${value})`
        : value
          ? `do not ${description}`
          : description
    command.option(name, text)
  }
}

function toCamelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** commander has printed its own errors by the time they get here. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage
  process.stderr.write(`partyd: ${(error as Error).message}\n`)
  return error instanceof TypeError ? EXIT_CODES.usage : EXIT_CODES.bug
}
