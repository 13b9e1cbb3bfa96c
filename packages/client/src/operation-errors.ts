// Errors of operations that cannot be carried out, each with the operation, the daemon and the cause.

import {
  LevelError,
  locationFiles,
  OPERATION_NAMES,
  PartyError,
  readExitRecord
} from '@partyd/shared'
import type { Link } from './connecting/connector.js'
import type { Request } from './request.js'
import type { Verdict } from './session.js'

/** The operation that frames of this kind belong to. */
export function operationName(kind: number): string {
  return OPERATION_NAMES[kind] ?? 'operation'
}

/** Why a sent write cannot be carried to its end. */
export function inDoubt(
  { code }: Extract<Verdict, { status: 'restart' }>,
  { kind }: Request,
  { endpoint, welcome }: Link
): PartyError {
  const operation = operationName(kind)
  const message =
    code === 'PARTYD_DATABASE_REPLACED'
      ? `The database went back in time: it lacks writes that it had acknowledged. The outcome of ${operation}() is lost with them.`
      : `The outcome of ${operation}() is unknown: the daemon that got it went away, and so did its record. Read before repeating it.`
  return new PartyError(code, message, { operation, endpoint, pid: welcome.pid })
}

/** A warning: acknowledged writes are gone, whether or not anything waits for an answer. */
export function databaseReplaced(directory: string, { endpoint, welcome }: Link): PartyError {
  const message = `The database at ${directory} went back in time: it lacks writes that it had acknowledged. Was an older copy put in its place?`
  const details = { path: directory, endpoint, pid: welcome.pid }
  return new PartyError('PARTYD_DATABASE_REPLACED', message, details)
}

/** The reason that a daemon has left in the location; undefined when it left none: it may have been killed. */
export function lastWords(directory: string, { welcome, endpoint }: Link): PartyError | undefined {
  const record = readExitRecord(directory)
  if (record?.instanceId !== welcome.instanceId) return undefined
  const { pid, code, reason } = record
  const message = `The daemon (pid ${pid}) of ${directory} ended with code ${code}: ${reason}`
  return new PartyError('PARTYD_CRASHED', message, {
    path: locationFiles(directory).log,
    pid,
    endpoint
  })
}

/** What `retry: false` gets when the daemon goes down. */
export function connectionLost(kind: number, link?: Link, cause?: Error): LevelError {
  const operation = operationName(kind)
  const where = link === undefined ? '' : ` at ${link.endpoint} (pid ${link.welcome.pid})`
  return new LevelError(
    'LEVEL_CONNECTION_LOST',
    `The connection to the daemon${where} was lost during ${operation}()`,
    { operation, endpoint: link?.endpoint, pid: link?.welcome.pid, cause }
  )
}

export function notOpen(kind: number): LevelError {
  const operation = operationName(kind)
  const message = `Database is not open: ${operation}() came after close()`
  return new LevelError('LEVEL_DATABASE_NOT_OPEN', message, { operation })
}

export function tooManyPending(kind: number): PartyError {
  const operation = operationName(kind)
  return new PartyError(
    'PARTYD_TOO_MANY_PENDING',
    `Too many operations wait for the daemon; ${operation}() was not accepted. Await some of them first.`,
    { operation }
  )
}

/** The daemon died again and again while it worked on this. */
export function daemonLost(
  request: Request,
  deaths: number,
  link?: Link,
  cause?: Error
): PartyError {
  const operation = operationName(request.kind)
  return new PartyError(
    'PARTYD_DAEMON_LOST',
    `${deaths} daemons died while ${operation}() was under way; it may be what kills them. The log of the location may say more.`,
    { operation, endpoint: link?.endpoint, pid: link?.welcome.pid, cause }
  )
}

/** A write that was sent may be in the database; anything else certainly had no effect. */
export function unreachable(request: Request, cause: Error): PartyError | LevelError {
  const operation = operationName(request.kind)
  const { endpoint, pid, path, code } = cause as PartyError
  const details = { operation, endpoint, pid, path, cause }
  if (request.sequence > 0) {
    const message = `The outcome of ${operation}() is unknown: it was sent, but the daemon could not be reached again. ${cause.message}`
    return new PartyError('PARTYD_OUTCOME_UNKNOWN', message, details)
  }
  if (code === 'PARTYD_UNRESPONSIVE' || code === 'PARTYD_NOT_RUNNING') {
    const message = `${operation}() was not carried out in time. ${cause.message}`
    return new PartyError('PARTYD_TIMEOUT', message, details)
  }
  const message = `${operation}() could not be carried out: ${cause.message}`
  return code === 'PARTYD_PROTOCOL'
    ? new PartyError(code, message, details)
    : new LevelError('LEVEL_DATABASE_NOT_OPEN', message, details)
}
