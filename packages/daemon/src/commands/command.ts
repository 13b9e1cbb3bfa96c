// What a command is. The modules beside this one each describe a few; command-line.ts makes a
// command line of them. None of them knows the library that parses it.

import type { Output } from './output.js'

/** One command, as `--help` shows it and as it runs. */
export interface Command {
  /** As typed; `service install` is the command `install` of the group `service`. */
  readonly name: string
  /** One line, in lower case, without a full stop. */
  readonly summary: string
  readonly arguments: readonly CommandArgument[]
  readonly options?: readonly CommandOption[]
  /** What is typed behind `partyd`, for the end of the help. */
  readonly example: string
  /** The one that is meant when a location stands alone. It takes no `--json` and no `--timeout`. */
  readonly isDefault?: boolean
  /**
   * What a signal or the time-out does. `abort`: the command's signal is aborted and its end waited
   * for, because it has something to clear up or to say. `ignore`: the command handles signals
   * itself, and minds the time-out. Default: the process ends.
   */
  readonly interruption?: 'abort' | 'ignore'
  /** Whether it may have changed something when it is ended before it is done. */
  readonly isWrite?: boolean
  /** @returns the exit code; undefined for 0. */
  run(input: CommandInput, output: Output): Promise<number | undefined>
}

export interface CommandArgument {
  readonly name: string
  readonly description: string
  /** Default: it must be given. */
  readonly optional?: boolean
}

export interface CommandOption {
  /** As commander has it: `--limit <n>`, `--reverse`, `--no-compression`. */
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
  /** Makes the value of the text. @throws TypeError when it cannot. */
  readonly parse?: (text: string) => unknown
  readonly default?: unknown
  /** Given more than once, it is a list of texts in the order given. */
  readonly isRepeatable?: boolean
  /** Not in the help. */
  readonly hidden?: boolean
}

/** What was typed. */
export interface CommandInput {
  /** In the order of the command's arguments; one that was left out is undefined. */
  readonly arguments: readonly (string | undefined)[]
  /** By name in camel case; one that was not given is undefined, unless it has a default. */
  readonly options: Readonly<Record<string, unknown>>
  /** Aborted by SIGINT, SIGTERM or the time-out. */
  readonly signal: AbortSignal
  /** Milliseconds given by `--timeout`; undefined without. */
  readonly timeoutMs: number | undefined
}

/** The argument that almost every command begins with. */
export const LOCATION: CommandArgument = { name: 'location', description: 'the database directory' }
