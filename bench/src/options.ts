// The command line, resolved once.

import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'

export const USAGE = `pnpm bench [options]

  --only <pattern>     only the cells whose name matches this regular expression
  --target <n>         only what this row of the targets needs; can be given again
  --peers <a,b>        only these peers
  --with <a,b>         these peers too: better-sqlite3, level-party
  --base <checkout>    compare with partyd as that checkout has built it, too
  --rounds <n>         counted rounds, behind one that warms up (default 5)
  --quick              small databases and short turns: to try the benchmark itself
  --directory <path>   where the databases are made (default: the system's temporary directory)
  --output <path>      write results.json, RESULTS.md and charts there; a full run
                       writes them to bench/ unless this says otherwise
  --dry                write nothing
  --profile <path>     write processor profiles of daemons and clients there
  --list               list the cells and end
  --no-install         do not install the peers; those that are not there are missing
  --help`

export interface Options {
  readonly only: RegExp | undefined
  readonly targets: readonly number[]
  /** Undefined: those that run by default. */
  readonly peers: readonly string[] | undefined
  readonly with: readonly string[]
  /** A checkout of partyd to compare this one with. */
  readonly base: string | undefined
  readonly mayInstall: boolean
  readonly rounds: number
  readonly isQuick: boolean
  readonly root: string
  /** Undefined: nothing is written. */
  readonly output: string | undefined
  readonly profile: string | undefined
  readonly action: 'run' | 'list' | 'help'
}

const DEFAULT_ROUNDS = 5

/** @throws TypeError when the command line is wrong. */
export function parseOptions(args: readonly string[], defaultOutput: string): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      target: { type: 'string', multiple: true },
      peers: { type: 'string' },
      with: { type: 'string' },
      base: { type: 'string' },
      'no-install': { type: 'boolean' },
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      directory: { type: 'string' },
      output: { type: 'string' },
      dry: { type: 'boolean' },
      profile: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' }
    }
  })
  // Part of the results would take the place of all of them.
  const isPart = Boolean(
    values.only ?? values.target ?? values.peers ?? values.base ?? values.quick
  )
  return {
    only: values.only === undefined ? undefined : new RegExp(values.only),
    targets: (values.target ?? []).map((row) => positive('target', row)),
    peers: values.peers?.split(','),
    with: values.with?.split(',') ?? [],
    base: values.base,
    mayInstall: !values['no-install'],
    rounds: values.rounds === undefined ? DEFAULT_ROUNDS : positive('rounds', values.rounds),
    isQuick: values.quick ?? false,
    root: values.directory ?? tmpdir(),
    output: values.dry ? undefined : (values.output ?? (isPart ? undefined : defaultOutput)),
    profile: values.profile,
    action: values.help ? 'help' : values.list ? 'list' : 'run'
  }
}

function positive(flag: string, text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new TypeError(`--${flag} takes a whole number, not '${text}'`)
}
