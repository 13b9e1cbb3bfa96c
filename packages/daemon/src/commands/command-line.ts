// The command line for people: reads what was typed, runs the command, ends with its code. The only
// file that knows commander.

import {
  Argument,
  Command as Commander,
  CommanderError,
  InvalidArgumentError,
  Option
} from 'commander'
import { PACKAGE_VERSION } from '../package-version.js'
import { COMMAND_GROUPS, GROUP_SUMMARIES } from './all-commands.js'
import type { Command, CommandArgument, CommandOption } from './command.js'
import { parseDuration } from './duration.js'
import { describeFailure, EXIT, UsageError } from './failure.js'
import { Interrupted, Interruption } from './interruption.js'
import { assertLocation } from './location-argument.js'
import { Output } from './output.js'

/** Runs one command and ends the process with its exit code. */
export async function runCommandLine(list: readonly string[]): Promise<never> {
  const output = new Output(optionsOf(list).includes('--json'))
  let exitCode: number = EXIT.ok
  try {
    const program = createProgram(output, (code) => {
      exitCode = code
    })
    assertMeant(list, program)
    await program.parseAsync(list, { from: 'user' })
  } catch (error) {
    exitCode = reportError(error, list, output)
  }
  await output.isRead()
  // A command that was interrupted has left work behind.
  process.exit(exitCode)
}

/** Behind `--` nothing is an option. */
function optionsOf(list: readonly string[]): readonly string[] {
  const end = list.indexOf('--')
  return end === -1 ? list : list.slice(0, end)
}

/** A word alone is a command that there is not, until somebody says that it is a directory. */
function assertMeant([word]: readonly string[], program: Commander): void {
  if (word === undefined) throw new UsageError('no location and no command', SEE_HELP)
  const isCommand = word === 'help' || program.commands.some((command) => command.name() === word)
  if (isCommand || word.startsWith('-') || /[./\\]/.test(word)) return
  const hint = `${suggest(word, program)}To serve the directory of that name: partyd ./${word}. The commands: partyd --help.`
  throw new UsageError(`there is no command '${word}'`, word === '' ? SEE_HELP : hint)
}

/** What commander would suggest, had the program no command that takes any word for a location. */
function suggest(word: string, program: Commander): string {
  const names = new Commander().exitOverride().configureOutput({ outputError: () => {} })
  for (const command of program.commands) names.command(command.name())
  try {
    names.parse([word], { from: 'user' })
    return ''
  } catch (error) {
    const suggestion = /Did you mean .+\?/.exec((error as Error).message)
    return suggestion === null ? '' : `${suggestion[0]} `
  }
}

type OnDone = (exitCode: number) => void

function createProgram(output: Output, onDone: OnDone): Commander {
  const program = new Commander('partyd')
    .description('Share one LevelDB directory between any number of processes.')
    .usage('<location> [options]\n       partyd <command> <location> [options]')
    .version(PACKAGE_VERSION)
    .exitOverride()
    // Errors are said in one place, all in the same way.
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', HELP)
  for (const { heading, commands } of COMMAND_GROUPS) {
    program.commandsGroup(heading)
    for (const command of commands) addCommand(program, command, output, onDone)
  }
  return program
}

const HELP = `
Example:
  $ npx partyd ./data

\`partyd <location>\` serves the location in the foreground; it contains a separator or a dot.
\`partyd <command> --help\` has the options of a command and an example.
`

function addCommand(program: Commander, command: Command, output: Output, onDone: OnDone): void {
  const path = command.name.split(' ')
  const name = path.pop() as string
  const parent = path.reduce(findOrAddGroup, program)
  const added = parent.command(name, { isDefault: command.isDefault === true })
  added.description(command.summary)
  for (const argument of command.arguments) added.addArgument(toArgument(argument))
  for (const option of command.options ?? []) added.addOption(toOption(option))
  if (command.isDefault !== true) for (const option of COMMON) added.addOption(toOption(option))
  added.addHelpText('after', `\nExample:\n  $ partyd ${command.example}\n`)
  added.action(async () => onDone(await runCommand(command, added, output)))
}

/** What every command takes. */
const COMMON: readonly CommandOption[] = [
  { flags: '--json', description: 'print JSON for programs, with a field `schema`' },
  {
    flags: '--timeout <time>',
    description: 'give up after this long, as in 500ms, 10s or 2m',
    parse: parseDuration
  }
]

function findOrAddGroup(parent: Commander, name: string): Commander {
  const found = parent.commands.find((command) => command.name() === name)
  return found ?? parent.command(name).description(GROUP_SUMMARIES[name] ?? '')
}

function toArgument({ name, description, optional }: CommandArgument): Argument {
  return new Argument(optional ? `[${name}]` : `<${name}>`, description)
}

function toOption({ flags, description, ...more }: CommandOption): Option {
  const option = new Option(flags, description)
  const { choices, parse, hidden } = more
  if (choices !== undefined) option.choices(choices)
  if (parse !== undefined) option.argParser((text) => parseOrExplain(parse, text))
  if (more.isRepeatable) option.argParser((text, list: string[] = []) => [...list, text])
  if (more.default !== undefined) option.default(more.default)
  return hidden ? option.hideHelp() : option
}

function parseOrExplain(parse: (text: string) => unknown, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

async function runCommand(command: Command, added: Commander, output: Output): Promise<number> {
  const options = givenOptions(command, added)
  const [first] = command.arguments
  // A client that has spawned us hears of it on its descriptor, from the command itself.
  if (first?.name === 'location' && options['readyFd'] === undefined) {
    assertLocation(added.processedArgs[0] as string)
  }
  const timeoutMs = options['timeout'] as number | undefined
  const input = { arguments: added.processedArgs, options, timeoutMs }
  if (command.interruption === 'ignore') {
    const signal = new AbortController().signal
    return (await command.run({ ...input, signal }, output)) ?? EXIT.ok
  }
  const interruption = new Interruption(timeoutMs, command)
  output.endBy(interruption.signal)
  const running = command
    .run({ ...input, signal: interruption.signal }, output)
    .catch((error) => interruption.explain(error))
  const ended =
    command.interruption === 'abort' ? running : Promise.race([running, interruption.rejected])
  return (await ended.finally(() => interruption.clear())) ?? EXIT.ok
}

/** Without what commander makes up: where there is a `--no-compression`, it takes compression for given. */
function givenOptions({ options = [] }: Command, added: Commander): Record<string, unknown> {
  const negated = options.filter(({ flags }) => flags.startsWith('--no-')).map(toOption)
  const names = negated.map((option) => option.attributeName())
  const isMadeUp = (name: string): boolean =>
    names.includes(name) && added.getOptionValueSource(name) === 'default'
  const all = Object.entries(added.opts<Record<string, unknown>>())
  return Object.fromEntries(all.filter(([name]) => !isMadeUp(name)))
}

/** @returns the exit code. */
function reportError(error: unknown, list: readonly string[], output: Output): number {
  if (error instanceof Interrupted) return EXIT.interrupted
  // Help and the version that were asked for come this way, too.
  if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok
  const failure = describeFailure(
    error instanceof CommanderError ? toUsageError(error, list) : error
  )
  output.fail(failure)
  return failure.exitCode
}

function toUsageError({ code, message }: CommanderError, [name]: readonly string[]): UsageError {
  // What commander has printed by then is the help.
  if (code === 'commander.help') return new UsageError('no command', SEE_HELP)
  const text = message.replace(/^error: /, '').replaceAll('\n', ' ')
  const isCommand = COMMAND_GROUPS.some(({ commands }) =>
    commands.some((command) => command.name === name)
  )
  return new UsageError(text, isCommand ? `See: partyd ${name} --help.` : SEE_HELP)
}

const SEE_HELP = 'See: partyd --help, or partyd <command> --help.'
