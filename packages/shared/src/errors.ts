// Every error that crosses a process boundary or reaches a user: codes, classes, wire form.

/** The codes of partyd's own errors, each with what it means and what to do next. */
export const PARTY_ERRORS = {
  PARTYD_NOT_RUNNING:
    'No daemon serves the location, and this client may not or cannot start one. Start `partyd <location>` or allow autospawn.',
  PARTYD_UNRESPONSIVE:
    'A daemon holds the location but does not answer. Resume or stop the process named by pid.',
  PARTYD_PERMISSION:
    'The location or its endpoint may not be used by this user. Check the owner and mode of the path.',
  PARTYD_NETWORK_FS:
    'The location is on a network file system, whose locks and sockets do not keep other machines out. Move it to a local disk, or allow it with `allowNetworkFs` or `--allow-network-fs`.',
  PARTYD_INCOMPATIBLE:
    'Client and daemon share no protocol version, or the database holds data of an unknown format. The message says which.',
  PARTYD_CRASHED:
    'The daemon ended by itself: before it was ready, or, as a warning, while it served. Read the lines in the message and the log at path.',
  PARTYD_TIMEOUT:
    'The operation was not carried out in time and has had no effect. It can be repeated.',
  PARTYD_OUTCOME_UNKNOWN:
    'A write was sent but its answer was lost: it may or may not be in the database. Read before repeating it.',
  PARTYD_DATABASE_REPLACED:
    'The database is older than what was acknowledged, for example a restored copy. As a warning, too, where no write waits for an answer.',
  PARTYD_DAEMON_LOST: 'The daemon died again and again while working on this operation.',
  PARTYD_TOO_MANY_PENDING:
    'Too many operations are waiting in this client. Await some of them before issuing more.',
  PARTYD_TOO_LARGE: 'A key, value or batch is larger than one frame may be.',
  PARTYD_RESERVED_KEY: 'The key lies in the range that partyd keeps for itself.',
  PARTYD_SNAPSHOT_LOST: 'The snapshot ended with the daemon that held it.',
  PARTYD_CONFLICT: 'Other writers kept changing the value until the time-out.',
  PARTYD_OPTIONS_DIFFER:
    'Only a warning: the daemon was opened with other options than this client has, and keeps them.',
  PARTYD_PROTOCOL: 'The peer sent bytes that are not the party protocol. The connection was closed.'
} as const

/** A code of partyd's own. */
export type PartyErrorCode = keyof typeof PARTY_ERRORS

/** What an error is about. All fields are optional, and all of them travel over the socket. */
export interface ErrorDetails {
  /** The operation that failed, for example `put`. */
  operation?: string | undefined
  /** The location, file or directory concerned. */
  path?: string | undefined
  /** The process concerned: the holder of a lock, a silent daemon, or the process that met the error. */
  pid?: number | undefined
  /** The socket or pipe concerned. */
  endpoint?: string | undefined
  /** The error behind this one. */
  cause?: unknown
}

/** Base of the two kinds of error below: a message, a code and what it is about. */
class CodedError extends Error {
  readonly code: string
  // Declared only: a printed error shows no field that it does not have.
  declare readonly operation?: string
  declare readonly path?: string
  declare readonly pid?: number
  declare readonly endpoint?: string

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    if (details.operation !== undefined) this.operation = details.operation
    if (details.path !== undefined) this.path = details.path
    if (details.pid !== undefined) this.pid = details.pid
    if (details.endpoint !== undefined) this.endpoint = details.endpoint
  }
}

/** An error of partyd's own; `code` is one of {@link PARTY_ERRORS}. */
export class PartyError extends CodedError {
  declare readonly code: PartyErrorCode
  override readonly name: string = 'PartyError'

  constructor(code: PartyErrorCode, message: string, details?: ErrorDetails) {
    super(code, message, details)
  }
}

/** An error of the database itself; `code` starts with `LEVEL_` and is LevelDB's or abstract-level's. */
export class LevelError extends CodedError {
  constructor(code: string, message: string, details?: ErrorDetails) {
    super(code, message, details)
    // Web compatibility, as abstract-level has it: aborting throws an error of this name.
    if (code === 'LEVEL_ABORTED') this.name = 'AbortError'
  }
}

/** Bytes that are not the party protocol. Ends the connection on which they came. */
export class ProtocolError extends PartyError {
  constructor(message: string) {
    super('PARTYD_PROTOCOL', message)
  }
}

/** An error as it travels in a frame or on the start channel. */
export interface WireError {
  code: string
  message: string
  operation?: string
  path?: string
  pid?: number
  endpoint?: string
}

/** Turns any error into its wire form. Unknown codes are kept; an error without one becomes `LEVEL_REMOTE_ERROR`. */
export function toWireError(error: unknown, details: ErrorDetails = {}): WireError {
  const from = (error instanceof Error ? error : new Error(String(error))) as Error &
    Partial<CodedError>
  // A DOMException's code is a number.
  const code = typeof from.code === 'string' ? from.code : 'LEVEL_REMOTE_ERROR'
  const wire: WireError = { code, message: from.message }
  const operation = from.operation ?? details.operation
  const path = from.path ?? details.path
  const pid = from.pid ?? details.pid
  const endpoint = from.endpoint ?? details.endpoint
  if (operation !== undefined) wire.operation = operation
  if (path !== undefined) wire.path = path
  if (pid !== undefined) wire.pid = pid
  if (endpoint !== undefined) wire.endpoint = endpoint
  return wire
}

/** Rebuilds an error from its wire form. */
export function fromWireError(wire: WireError): PartyError | LevelError {
  const details: ErrorDetails = wire
  return isPartyErrorCode(wire.code)
    ? new PartyError(wire.code, wire.message, details)
    : new LevelError(wire.code, wire.message, details)
}

function isPartyErrorCode(code: string): code is PartyErrorCode {
  return Object.hasOwn(PARTY_ERRORS, code)
}

/** Exit codes of the daemon. Node owns 1 to 13, so ours start at 20. */
export const EXIT_CODES = {
  ok: 0,
  usage: 2,
  alreadyRunning: 20,
  locked: 21,
  corrupt: 22,
  disk: 23,
  endpoint: 24,
  incompatibleData: 26,
  bug: 70
} as const
