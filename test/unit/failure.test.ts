// The exit codes of what keeps a command from its answer: scripts take 1 for the answer no.

import { LevelError, PARTY_ERRORS, PartyError, type PartyErrorCode } from '@partyd/shared'
import { expect, it } from 'vitest'
import { describeFailure, EXIT } from '../../packages/daemon/dist/commands/failure.js'

/** What no command is kept from its answer by, or is documented as 1. */
const NO: readonly PartyErrorCode[] = [
  'PARTYD_SNAPSHOT_LOST',
  'PARTYD_TOO_MANY_PENDING',
  'PARTYD_CONFLICT',
  'PARTYD_OPTIONS_DIFFER'
]
const CODES = Object.keys(PARTY_ERRORS) as PartyErrorCode[]

it.each(CODES.filter((code) => !NO.includes(code)))('%s is not the answer no', (code) => {
  expect(describeFailure(new PartyError(code, 'boom')).exitCode).not.toBe(EXIT.no)
})

it.each(['LEVEL_LOCKED', 'LEVEL_CORRUPTION', 'LEVEL_IO_ERROR', 'LEVEL_CONNECTION_LOST'])(
  '%s is not either, also as the cause of a database that does not open',
  (code) => {
    const cause = new LevelError(code, 'boom')
    const error = new LevelError('LEVEL_DATABASE_NOT_OPEN', 'Database is not open', { cause })
    expect(describeFailure(cause).exitCode).not.toBe(EXIT.no)
    expect(describeFailure(error)).toEqual(describeFailure(cause))
  }
)
