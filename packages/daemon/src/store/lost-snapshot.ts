// What becomes of an operation whose snapshot is gone: one error, whichever way it went.

import { PartyError } from '@partyd/shared'

/** There is no snapshot of that number on this connection. */
export function snapshotLost(number: number): PartyError {
  const message = `Snapshot ${number} is gone: it ended with the daemon or the connection that held it, or was too old. Take another one.`
  return new PartyError('PARTYD_SNAPSHOT_LOST', message)
}

/** The error as a client should see it: LevelDB's binding calls a snapshot that was given up not open. */
export function explainSnapshot(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'LEVEL_SNAPSHOT_NOT_OPEN') return error
  const message = 'The snapshot was given up during the operation. Take another one.'
  return new PartyError('PARTYD_SNAPSHOT_LOST', message, { cause: error })
}
