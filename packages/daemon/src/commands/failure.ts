// A command that cannot do what it was asked for: what is printed of it, and its exit code.

import {
  type ErrorDetails,
  EXIT_CODES,
  LevelError,
  PARTY_ERRORS,
  PartyError,
  type PartyErrorCode
} from '@partyd/shared'
import { StartError } from '../start/start-error.js'

/** Of the objects that `--json` prints. Grows when a field is taken away or changes its meaning. */
export const SCHEMA = 1

/** Exit codes of commands beside those of a daemon: 3 and 4 are the Linux Standard Base's. */
const COMMAND_EXITS = {
  /** The answer is no: there is no such key, `doctor` has found something, the input has a fault. */
  no: 1,
  notRunning: 3,
  unresponsive: 4,
  /** Ended by SIGINT, as shells count it. */
  interrupted: 130
} as const

/** Exit codes of everything that is typed. */
export const EXIT: typeof EXIT_CODES & typeof COMMAND_EXITS = { ...EXIT_CODES, ...COMMAND_EXITS }

/** What went wrong, as a command says it. */
export interface Failure {
  readonly code: string
  readonly message: string
  /** What to do next. */
  readonly hint: string | undefined
  readonly details: Pick<ErrorDetails, 'path' | 'pid' | 'endpoint' | 'operation'>
  readonly exitCode: number
}

/** A command that was typed wrongly, or given what it cannot use. */
export class UsageError extends Error {
  readonly code = 'PARTYD_USAGE'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** The answer is no, for a reason that the user must see. */
export class CommandError extends Error {
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, hint?: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}

/** What to do about LevelDB's own errors; partyd's say it themselves. */
const LEVEL_HINTS: Readonly<Record<string, string>> = {
  LEVEL_LOCKED: 'See who holds it: partyd doctor <location>. Never delete LOCK.',
  LEVEL_CORRUPTION:
    'Copy the directory first, then put it together from what can be read: partyd repair <location>.',
  LEVEL_IO_ERROR: 'Check the disk and the rights of the directory.',
  LEVEL_INVALID_ARGUMENT: 'Check the path and the options that the database is opened with.',
  LEVEL_CONNECTION_LOST: 'Repeat it: the next daemon is started by whoever needs it.'
}

/** What a person at a shell does about them, who cannot change the options of a client. */
const PARTY_HINTS: Readonly<Partial<Record<PartyErrorCode, string>>> = {
  PARTYD_NOT_RUNNING: 'Start one with: partyd start <location>.',
  PARTYD_UNRESPONSIVE:
    'It may be suspended or overloaded: see partyd doctor <location>. As a last resort: partyd stop <location> --force.',
  PARTYD_SNAPSHOT_LOST: 'Repeat it: the daemon that held the snapshot has ended.'
}

/** What to do where something silent listens that is not known as a daemon. */
export function adviseOnListener(endpoint: string | undefined): string {
  return `End it if it is no daemon (lsof ${endpoint} tells its pid), or remove ${endpoint}.`
}

const LEVEL_EXITS: Readonly<Record<string, number>> = {
  LEVEL_LOCKED: EXIT.locked,
  LEVEL_CORRUPTION: EXIT.corrupt,
  LEVEL_IO_ERROR: EXIT.disk,
  LEVEL_INVALID_ARGUMENT: EXIT.usage,
  LEVEL_CONNECTION_LOST: EXIT.unresponsive
}

const PARTY_EXITS: Readonly<Partial<Record<PartyErrorCode, number>>> = {
  PARTYD_NOT_RUNNING: EXIT.notRunning,
  PARTYD_UNRESPONSIVE: EXIT.unresponsive,
  PARTYD_TIMEOUT: EXIT.unresponsive,
  PARTYD_PERMISSION: EXIT.disk,
  PARTYD_NETWORK_FS: EXIT.usage,
  PARTYD_INCOMPATIBLE: EXIT.incompatibleData,
  PARTYD_CRASHED: EXIT.bug,
  PARTYD_DAEMON_LOST: EXIT.bug,
  PARTYD_PROTOCOL: EXIT.bug,
  PARTYD_DATABASE_REPLACED: EXIT.unresponsive,
  PARTYD_TOO_LARGE: EXIT.usage,
  PARTYD_RESERVED_KEY: EXIT.usage
}

/** Any error, however deep its reason lies, as the command says it. */
export function describeFailure(thrown: unknown): Failure {
  const error = reasonOf(thrown as Error)
  const { message, code = 'PARTYD_BUG' } = error
  const { path, pid, endpoint, operation } = error
  return {
    code,
    message,
    hint: hintOf(error),
    details: { path, pid, endpoint, operation },
    exitCode: exitCodeOf(error, thrown)
  }
}

type Coded = Error & ErrorDetails & { readonly code?: string; readonly hint?: string }

/** A database that does not open says so; why is what it was caused by. */
function reasonOf(error: Error): Coded {
  const { code, cause } = error as Coded
  if (error instanceof StartError) return error.error
  if (code === 'LEVEL_DATABASE_NOT_OPEN' && cause instanceof Error) return reasonOf(cause)
  return isSystemError(error) ? describeSystemError(error) : error
}

function isSystemError(error: NodeJS.ErrnoException): boolean {
  return error.syscall !== undefined && error.errno !== undefined
}

/** What Node says of a file: `EACCES: permission denied, open '…'`. */
function describeSystemError(error: NodeJS.ErrnoException): Coded {
  const { code = '', message, path } = error
  const isForbidden = code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
  const text = message.replace(`${code}: `, '')
  const details = { path, cause: error }
  return isForbidden
    ? new PartyError('PARTYD_PERMISSION', text, details)
    : new LevelError('LEVEL_IO_ERROR', text, details)
}

function hintOf({ code = '', hint, stack, pid, endpoint }: Coded): string | undefined {
  if (hint !== undefined) return hint
  const isKnown = pid !== undefined || endpoint === undefined
  if (code === 'PARTYD_UNRESPONSIVE' && !isKnown) return adviseOnListener(endpoint)
  if (isPartyCode(code)) return PARTY_HINTS[code] ?? PARTY_ERRORS[code]
  if (code in LEVEL_HINTS) return LEVEL_HINTS[code]
  return code === '' ? `This is a bug in partyd: ${stack}` : undefined
}

function exitCodeOf(error: Coded, thrown: unknown): number {
  const { code = '' } = error
  if (thrown instanceof StartError) return thrown.exitCode
  if (error instanceof UsageError) return EXIT.usage
  if (code === 'PARTYD_NO_DIRECTORY') return EXIT.usage
  if (error instanceof CommandError) return EXIT.no
  if (code === 'PARTYD_OUTCOME_UNKNOWN') return exitCodeOfUnknown(error)
  if (isPartyCode(code)) return PARTY_EXITS[code] ?? EXIT.no
  return LEVEL_EXITS[code] ?? (code === '' ? EXIT.bug : EXIT.no)
}

/** That of what kept the answer away: a full disk, for example. */
function exitCodeOfUnknown({ cause }: Coded): number {
  const code = (cause as Coded | undefined)?.code
  return code === undefined ? EXIT.unresponsive : exitCodeOf(cause as Coded, cause)
}

function isPartyCode(code: string): code is PartyErrorCode {
  return Object.hasOwn(PARTY_ERRORS, code)
}
