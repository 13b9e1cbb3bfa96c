// `partyd <location>`: the daemon itself, in the foreground.

import { DATABASE_FLAGS, LOG_LEVELS, resolveDaemonArguments } from '@partyd/shared'
import { LAUNCHD_FLAG } from '../../service/launchd-exit.js'
import { type Command, type CommandOption, LOCATION } from '../command.js'
import { parseDuration, parseDurationOrNever } from '../duration.js'
import { UsageError } from '../failure.js'

/** What a daemon can be told however it is started. */
export const DAEMON_OPTIONS: readonly CommandOption[] = [
  {
    flags: '--log-level <level>',
    description: 'least severe level to log (info)',
    choices: LOG_LEVELS
  },
  {
    flags: '--slow-operations <time>',
    description: 'log operations that take at least this long, or `never` (1s)',
    parse: parseDurationOrNever
  },
  {
    flags: '--allow-network-fs',
    description: 'serve a location on a network file system all the same'
  },
  ...databaseOptions()
]

export const serveCommand: Command = {
  name: 'serve',
  summary: 'serve a location in the foreground until it is told to stop',
  arguments: [{ ...LOCATION, description: 'the database directory; created if it does not exist' }],
  options: [
    {
      flags: '--service',
      description: 'run under a service manager: wait for the location instead of failing'
    },
    {
      flags: '--idle-timeout <time>',
      description: 'end after this long without clients, or `never`',
      parse: parseDurationOrNever
    },
    {
      flags: '--fence-interval <time>',
      description: 'how often to look whether the location is still its own',
      parse: parseDuration
    },
    ...DAEMON_OPTIONS,
    { flags: '--ready-fd <fd>', description: 'descriptor to report on', hidden: true },
    {
      flags: LAUNCHD_FLAG,
      description: 'end with code 0 where trying again is no use',
      hidden: true
    }
  ],
  example: 'serve ./data --sync --slow-operations 50ms',
  isDefault: true,
  interruption: 'ignore',
  async run({ arguments: [location = ''], options }) {
    const resolved = resolveArguments(location, options)
    // With LevelDB, which no other command needs.
    const { serve } = await import('../../daemon.js')
    return serve(resolved)
  }
}

/** @throws UsageError when an option has a value that it cannot have. */
export function resolveArguments(
  location: string,
  options: Readonly<Record<string, unknown>>
): ReturnType<typeof resolveDaemonArguments> {
  try {
    return resolveDaemonArguments(location, (flag) => options[toCamelCase(flag)])
  } catch (error) {
    throw new UsageError((error as Error).message, 'See the options of the command: --help.')
  }
}

function databaseOptions(): CommandOption[] {
  return Object.values(DATABASE_FLAGS).map(({ flag, type, default: value, description }) => {
    if (type === 'number') {
      return { flags: `--${flag} <n>`, description: `${description} (${value})` }
    }
    return value
      ? { flags: `--no-${flag}`, description: `do not ${description}` }
      : { flags: `--${flag}`, description }
  })
}

function toCamelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}
