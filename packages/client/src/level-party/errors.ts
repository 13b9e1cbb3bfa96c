// The errors of level-party, by their names; what they had no code for has that of its cause.

import { LevelError } from '@partyd/shared'

type ErrorType = 'OpenError' | 'ReadError' | 'WriteError' | 'NotFoundError' | 'EncodingError'

/** An error of an operation; `cause` is the `LevelError` or `PartyError` behind it. */
export class LevelPartyError extends Error {
  override readonly name: ErrorType
  readonly type: ErrorType
  readonly code: string | undefined
  /** Set when there is no such key. */
  declare readonly notFound?: true
  declare readonly status?: 404

  constructor(type: ErrorType, cause: unknown) {
    const { message, code } = cause as Error & { code?: string }
    super(message, { cause })
    this.name = type
    this.type = type
    this.code = code
  }
}

/** The database fails to open for a reason, which used to be the whole message. */
export function openError(error: Error): LevelPartyError {
  return new LevelPartyError('OpenError', error.cause ?? error)
}

export function notFoundError(key: unknown): LevelPartyError {
  const cause = { message: `Key not found in database [${key}]`, code: 'LEVEL_NOT_FOUND' }
  const error = new LevelPartyError('NotFoundError', cause)
  return Object.assign(error, { cause: undefined, notFound: true, status: 404 })
}

/** An entry is not what its encoding could have made. */
export function decodeError(cause: unknown): LevelPartyError {
  const error = new LevelError('LEVEL_DECODE_ERROR', (cause as Error).message, { cause })
  return new LevelPartyError('EncodingError', error)
}

/** For the `catch` of an iterator, which tells bad entries from a bad database. */
export function throwEntryError(cause: unknown): never {
  const isDecoding = (cause as { code?: string }).code === 'LEVEL_DECODE_ERROR'
  throw new LevelPartyError(isDecoding ? 'EncodingError' : 'ReadError', cause)
}

/** For a promise's `catch`. */
export function throwAs(type: ErrorType): (cause: unknown) => never {
  return (cause) => {
    throw new LevelPartyError(type, cause)
  }
}
