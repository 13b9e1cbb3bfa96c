// Result codes of writes as errors: what a daemon answers to a write it has seen before, and what
// a client makes of the results in a welcome.

import { LevelError, PartyError } from '../errors.js'
import { RESULT } from './kind.js'

/** The error that a result code stands for; undefined for success, and for an atomic whose checks failed. */
export function resultError(code: number, operation: string): PartyError | LevelError | undefined {
  switch (code) {
    case RESULT.ok:
    case RESULT.checkFailed:
      return undefined
    case RESULT.reservedKey:
      return new PartyError(
        'PARTYD_RESERVED_KEY',
        `${operation}() was refused: a key starts with sixteen bytes 0xff. Those keys are partyd's own.`,
        { operation }
      )
    case RESULT.readFailed:
      return new LevelError(
        'LEVEL_CORRUPTION',
        `${operation}() could not read the database; the daemon's log may say more.`,
        { operation }
      )
    case RESULT.snapshotLost:
      return new PartyError(
        'PARTYD_SNAPSHOT_LOST',
        `${operation}() lost its snapshot with the daemon that held it. How far it had come is not known any more.`,
        { operation }
      )
    default:
      return new PartyError(
        'PARTYD_INCOMPATIBLE',
        `${operation}() has the unknown result ${code}.`,
        {
          operation
        }
      )
  }
}
