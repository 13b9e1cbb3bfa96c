// The command line of `partyd serve`: written by clients that spawn a daemon, read by the daemon.
// Options travel by argument only, so that the environment of the first client configures nobody.

import { parseArgs } from 'node:util'
import type { DaemonMode } from './rendezvous.js'

/** What a database is opened with: LevelDB's options, named and defaulted as in classic-level, and `sync`. */
export interface DatabaseOptions {
  createIfMissing?: boolean
  errorIfExists?: boolean
  compression?: boolean
  cacheSize?: number
  writeBufferSize?: number
  blockSize?: number
  maxOpenFiles?: number
  blockRestartInterval?: number
  maxFileSize?: number
  /** Whether writes that do not say wait for the disk. */
  sync?: boolean
}

/** What `partyd serve` can be told. */
export interface DaemonArguments {
  location: string
  mode: DaemonMode
  /** Descriptor on which whoever spawned the daemon hears how the start goes. */
  readyFd?: number
  /** Milliseconds without clients after which an auto-spawned daemon ends; Infinity for never. */
  idleTimeoutMs?: number
  logLevel?: string
  /** Milliseconds between two looks whether the location is still its own. */
  fenceIntervalMs?: number
  /** Whether the location may be on a network file system. */
  allowNetworkFs?: boolean
  /** Milliseconds from which on an operation is logged as slow; Infinity for never. */
  slowOperationsMs?: number
  database: DatabaseOptions
}

/** One open option on the command line. */
export interface DatabaseFlag {
  readonly flag: string
  readonly type: 'boolean' | 'number'
  readonly default: boolean | number
  readonly description: string
  /** Least number that LevelDB takes; default 0, which it makes something useful of. */
  readonly min?: number
  /** Greatest one that does not wrap around. Default: that of an `int`, as which LevelDB keeps most. */
  readonly max?: number
}

const INT_MAX = 0x7fff_ffff

/** @returns what is wrong with a number for an open option; undefined if nothing is. */
export function findCountFault(name: keyof DatabaseOptions, value: number): string | undefined {
  const { min = 0, max = INT_MAX } = DATABASE_FLAGS[name]
  const isPossible = Number.isInteger(value) && value >= min && value <= max
  return isPossible ? undefined : `a whole number from ${min} to ${max}`
}

/** Every open option as a flag. Boolean ones that default to true are given as `--no-…`. */
export const DATABASE_FLAGS: Readonly<Record<keyof DatabaseOptions, DatabaseFlag>> = {
  createIfMissing: {
    flag: 'create-if-missing',
    type: 'boolean',
    default: true,
    description: 'create the database if there is none'
  },
  errorIfExists: {
    flag: 'error-if-exists',
    type: 'boolean',
    default: false,
    description: 'refuse to open a database that exists'
  },
  compression: {
    flag: 'compression',
    type: 'boolean',
    default: true,
    description: 'compress blocks with Snappy'
  },
  cacheSize: {
    flag: 'cache-size',
    type: 'number',
    default: 8 * 1024 * 1024,
    max: 0xffff_ffff,
    description: 'bytes of uncompressed blocks to cache'
  },
  writeBufferSize: {
    flag: 'write-buffer-size',
    type: 'number',
    default: 4 * 1024 * 1024,
    description: 'bytes of the in-memory log'
  },
  blockSize: {
    flag: 'block-size',
    type: 'number',
    default: 4096,
    description: 'approximate bytes of a table block'
  },
  maxOpenFiles: {
    flag: 'max-open-files',
    type: 'number',
    default: 1000,
    description: 'files that LevelDB may have open'
  },
  blockRestartInterval: {
    flag: 'block-restart-interval',
    type: 'number',
    default: 16,
    min: 1,
    description: 'entries between full keys in a block'
  },
  maxFileSize: {
    flag: 'max-file-size',
    type: 'number',
    default: 2 * 1024 * 1024,
    description: 'bytes of a table file'
  },
  sync: {
    flag: 'sync',
    type: 'boolean',
    default: false,
    description: 'answer writes that do not say otherwise only when they are on the disk'
  }
}

/** The options with the defaults of those that were not given. */
export function resolveDatabaseOptions(options: DatabaseOptions): Required<DatabaseOptions> {
  const defaults = Object.entries(DATABASE_FLAGS).map(([name, flag]) => [name, flag.default])
  return { ...Object.fromEntries(defaults), ...options }
}

/** The arguments that make a daemon of exactly these options. */
export function toDaemonArguments(options: DaemonArguments): string[] {
  const { location, mode, readyFd, idleTimeoutMs, logLevel, fenceIntervalMs, database } = options
  const list = ['serve', location]
  if (mode !== 'foreground') list.push(`--${mode}`)
  if (readyFd !== undefined) list.push('--ready-fd', String(readyFd))
  if (idleTimeoutMs !== undefined) list.push('--idle-timeout', formatTime(idleTimeoutMs))
  if (logLevel !== undefined) list.push('--log-level', logLevel)
  if (fenceIntervalMs !== undefined) list.push('--fence-interval', String(fenceIntervalMs))
  if (options.allowNetworkFs) list.push('--allow-network-fs')
  if (options.slowOperationsMs !== undefined) {
    list.push('--slow-operations', formatTime(options.slowOperationsMs))
  }
  for (const [name, { flag, type }] of Object.entries(DATABASE_FLAGS)) {
    const value = database[name as keyof DatabaseOptions]
    if (value === undefined) continue
    if (type === 'boolean') list.push(value === false ? `--no-${flag}` : `--${flag}`)
    else list.push(`--${flag}`, String(value))
  }
  return list
}

function formatTime(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? 'never' : String(ms)
}

/** Reads what {@link toDaemonArguments} wrote. Quick: a spawned daemon loads no command line library. */
export function parseDaemonArguments(list: readonly string[]): DaemonArguments {
  const { values, positionals } = parseArgs({
    args: [...list],
    allowPositionals: true,
    allowNegative: true,
    options: {
      auto: { type: 'boolean' },
      service: { type: 'boolean' },
      'ready-fd': { type: 'string' },
      'idle-timeout': { type: 'string' },
      'log-level': { type: 'string' },
      'fence-interval': { type: 'string' },
      'allow-network-fs': { type: 'boolean' },
      'slow-operations': { type: 'string' },
      ...databaseParseOptions()
    }
  })
  const flags: Record<string, unknown> = values
  return resolveDaemonArguments(positionals[1] ?? '', (flag) => flags[flag])
}

type ParseOptions = Record<string, { type: 'boolean' | 'string' }>

function databaseParseOptions(): ParseOptions {
  const options: ParseOptions = {}
  for (const { flag, type } of Object.values(DATABASE_FLAGS)) {
    options[flag] = { type: type === 'boolean' ? 'boolean' : 'string' }
  }
  return options
}

/**
 * Resolves flags, however they were parsed, to a typed object.
 * @throws TypeError when a number is none.
 */
export function resolveDaemonArguments(
  location: string,
  flagValue: (flag: string) => unknown
): DaemonArguments {
  const result: DaemonArguments = {
    location,
    mode: flagValue('auto') ? 'auto' : flagValue('service') ? 'service' : 'foreground',
    database: {}
  }
  const readyFd = flagValue('ready-fd')
  const idleTimeout = flagValue('idle-timeout')
  const logLevel = flagValue('log-level')
  const fenceInterval = flagValue('fence-interval')
  const slowOperations = flagValue('slow-operations')
  if (readyFd !== undefined) result.readyFd = parseCount('ready-fd', readyFd)
  if (idleTimeout !== undefined) result.idleTimeoutMs = parseTime('idle-timeout', idleTimeout)
  if (logLevel !== undefined) result.logLevel = String(logLevel)
  if (fenceInterval !== undefined) {
    result.fenceIntervalMs = parseCount('fence-interval', fenceInterval)
  }
  if (flagValue('allow-network-fs')) result.allowNetworkFs = true
  if (slowOperations !== undefined) {
    result.slowOperationsMs = parseTime('slow-operations', slowOperations)
  }
  const database: Record<string, boolean | number> = {}
  for (const [name, { flag, type }] of Object.entries(DATABASE_FLAGS)) {
    const value = flagValue(flag)
    if (value === undefined) continue
    if (type === 'boolean') database[name] = value === true
    else database[name] = parseDatabaseCount(name as keyof DatabaseOptions, flag, value)
  }
  result.database = database
  return result
}

function parseTime(flag: string, value: unknown): number {
  const isNever = value === 'never' || value === Number.POSITIVE_INFINITY
  return isNever ? Number.POSITIVE_INFINITY : parseCount(flag, value)
}

function parseDatabaseCount(name: keyof DatabaseOptions, flag: string, value: unknown): number {
  const number = value === '' ? Number.NaN : Number(value)
  const wanted = findCountFault(name, number)
  if (wanted === undefined) return number
  throw new TypeError(`--${flag} takes ${wanted}, not '${String(value)}'`)
}

function parseCount(flag: string, value: unknown): number {
  const number = Number(value)
  if (value === '' || !Number.isSafeInteger(number) || number < 0) {
    throw new TypeError(`--${flag} takes a whole number, not '${String(value)}'`)
  }
  return number
}
