// The options of PartyLevel, resolved once to typed values.

import { type DatabaseOptions, findCountFault, LOG_LEVELS, TIMES } from '@partyd/shared'

/**
 * How to start a daemon where `process.execPath` is not Node (Bun, Electron, packaged programs), or its
 * program is not to be found (bundles).
 */
export interface SpawnOptions {
  /** The program to run the daemon with. Default: `process.execPath`. */
  execPath?: string | undefined
  /** Arguments for that program, before the daemon's own. Default: none. */
  args?: readonly string[] | undefined
  /**
   * Path of the daemon's program, `bin/partyd.cjs` of the package `partyd`. Default: found as that
   * package is installed for this one, or for the bundle that has taken this one in.
   */
  entry?: string | undefined
  /**
   * Variables added to the daemon's environment, which is this process's without what is meant for it
   * alone, such as `NODE_OPTIONS`, `NODE_EXTRA_CA_CERTS` and `npm_…`.
   */
  env?: Readonly<Record<string, string>> | undefined
  /**
   * Start the daemon in a systemd scope of its own, so that it outlives the unit this process
   * belongs to. Needs `systemd-run` and a user manager. Default: false.
   */
  scope?: boolean | undefined
}

/** Options of partyd's own. */
export interface PartyOptions {
  /**
   * Finish pending operations and resume iterators on the next daemon when one goes down. With
   * `false` they fail with `LEVEL_CONNECTION_LOST`, and iterators read from a snapshot in exchange.
   * Default: true.
   */
  retry?: boolean | undefined
  /** Milliseconds that an operation waits for a daemon once its connection is lost. Default: 60,000. */
  retryTimeoutMs?: number | undefined
  /** Milliseconds until `open()` gives up. Default: 15,000. */
  connectTimeoutMs?: number | undefined
  /** Whether this client may start a daemon. Default: true. */
  autospawn?: boolean | undefined
  /**
   * Milliseconds that a daemon started by this client stays without clients. 0: until the last one
   * closes; Infinity: for ever. Default: 30,000.
   */
  idleTimeoutMs?: number | undefined
  /**
   * Whether a daemon started by this client may serve a location on a network file system. Sockets do
   * not reach other machines, and not every such system keeps LevelDB's lock. Default: false.
   */
  allowNetworkFs?: boolean | undefined
  /**
   * Least severe level that a daemon started by this client logs: `trace`, `debug`, `info`, `warn`,
   * `error` or `fatal`. Default: `info`.
   */
  logLevel?: string | undefined
  /**
   * Milliseconds from which on a daemon started by this client logs an operation as slow; Infinity
   * for never. Default: 1,000.
   */
  slowOperationsMs?: number | undefined
  /** Cancels `open()`. */
  signal?: AbortSignal | undefined
  spawn?: SpawnOptions | undefined
}

/** Everything there is to know about how to reach a daemon and start one. */
export interface ResolvedOptions {
  readonly retry: boolean
  readonly retryTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly autospawn: boolean
  readonly idleTimeoutMs: number
  readonly allowNetworkFs: boolean
  readonly logLevel: string | undefined
  readonly slowOperationsMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly spawn: SpawnOptions
  /** Open options for a daemon that this client starts. */
  readonly database: DatabaseOptions
}

/** @throws TypeError unless it can be a directory's path. */
export function assertLocation(location: unknown): asserts location is string {
  if (typeof location === 'string' && location !== '') return
  throw new TypeError("The first argument 'location' must be a non-empty string")
}

/** @throws TypeError when an option is not of its type. */
export function resolveOptions(options: object): ResolvedOptions {
  const given = options as Readonly<Record<string, unknown>>
  return {
    retry: boolean(given, 'retry', true),
    retryTimeoutMs: milliseconds(given, 'retryTimeoutMs', TIMES.retry),
    connectTimeoutMs: milliseconds(given, 'connectTimeoutMs', TIMES.connect),
    autospawn: boolean(given, 'autospawn', true),
    // The daemon's command line takes a whole number.
    idleTimeoutMs: Math.ceil(milliseconds(given, 'idleTimeoutMs', TIMES.idle)),
    allowNetworkFs: boolean(given, 'allowNetworkFs', false),
    logLevel: logLevel(given['logLevel']),
    slowOperationsMs:
      given['slowOperationsMs'] === undefined
        ? undefined
        : Math.ceil(milliseconds(given, 'slowOperationsMs', 0)),
    signal: signal(given['signal']),
    spawn: spawn(given['spawn'] ?? {}),
    database: databaseOptions(given)
  }
}

function logLevel(option: unknown): string | undefined {
  if (option === undefined || option === null) return undefined
  if ((LOG_LEVELS as readonly unknown[]).includes(option)) return option as string
  throw new TypeError(`The option 'logLevel' must be one of ${LOG_LEVELS.join(', ')}`)
}

function signal(option: unknown): AbortSignal | undefined {
  if (option === undefined || option === null) return undefined
  // By its shape: a polyfill's is none of this realm's.
  const signal = option as AbortSignal
  if (typeof signal.addEventListener === 'function') return signal
  throw new TypeError("The option 'signal' must be an AbortSignal")
}

function spawn(option: unknown): SpawnOptions {
  if (typeof option !== 'object' || option === null) {
    throw new TypeError("The option 'spawn' must be an object")
  }
  const { execPath, entry, args, env } = option as SpawnOptions
  for (const [name, path] of Object.entries({ execPath, entry })) {
    if (path !== undefined && typeof path !== 'string') {
      throw new TypeError(`The option 'spawn.${name}' must be a string`)
    }
  }
  if (
    args !== undefined &&
    !(Array.isArray(args) && args.every((arg) => typeof arg === 'string'))
  ) {
    throw new TypeError("The option 'spawn.args' must be an array of strings")
  }
  if (env !== undefined && (typeof env !== 'object' || env === null)) {
    throw new TypeError("The option 'spawn.env' must be an object of strings")
  }
  return option
}

const BOOLEANS = ['createIfMissing', 'errorIfExists', 'compression', 'sync'] as const
const COUNTS = [
  'cacheSize',
  'writeBufferSize',
  'blockSize',
  'maxOpenFiles',
  'blockRestartInterval',
  'maxFileSize'
] as const

function databaseOptions(given: Readonly<Record<string, unknown>>): DatabaseOptions {
  const options: DatabaseOptions = {}
  for (const name of BOOLEANS) {
    if (given[name] !== undefined) options[name] = boolean(given, name, false)
  }
  for (const name of COUNTS) {
    if (given[name] !== undefined) options[name] = count(given, name)
  }
  return options
}

function boolean(given: Readonly<Record<string, unknown>>, name: string, value: boolean): boolean {
  const option = given[name] ?? value
  if (typeof option !== 'boolean') throw new TypeError(`The option '${name}' must be a boolean`)
  return option
}

function count(given: Readonly<Record<string, unknown>>, name: (typeof COUNTS)[number]): number {
  const option = given[name] as number
  const wanted = findCountFault(name, option)
  if (wanted !== undefined) throw new TypeError(`The option '${name}' must be ${wanted}`)
  return option
}

function milliseconds(
  given: Readonly<Record<string, unknown>>,
  name: string,
  value: number
): number {
  const option = given[name] ?? value
  if (typeof option !== 'number' || !(option >= 0)) {
    throw new TypeError(`The option '${name}' must be a number of milliseconds`)
  }
  // Beyond what a daemon can be told in digits it is for ever, or as good as that.
  return option > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : option
}
