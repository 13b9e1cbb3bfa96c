// The database of a location as the commands see it: through the daemon, as a client like any other.
// The only file that knows @partyd/client. Nothing that a daemon loads imports this.

import type { PartyLevel } from '@partyd/client'
import type { DaemonArguments } from '@partyd/shared'
import type { CommandInput } from './command.js'

/** Keys and values as bytes; sublevels and other encodings are made of it. */
export type ClientDatabase = PartyLevel<Uint8Array, Uint8Array>

export interface OpenOptions {
  /** Whether a location that is not there may be made. Default: false, for it may be a typing error. */
  readonly createIfMissing?: boolean
  /** Milliseconds that a daemon which has to be started stays without clients. */
  readonly idleTimeoutMs?: number
  /** What else it is started with. */
  readonly daemon?: Pick<
    DaemonArguments,
    'database' | 'logLevel' | 'slowOperationsMs' | 'allowNetworkFs'
  >
}

/**
 * Opens the database of the command's location, runs `use` with it and closes it.
 * @throws what kept it from opening, or `use` from finishing.
 */
export async function withDatabase<T>(
  directory: string,
  { timeoutMs, signal }: Pick<CommandInput, 'timeoutMs' | 'signal'>,
  { createIfMissing = false, idleTimeoutMs, daemon }: OpenOptions,
  use: (database: ClientDatabase) => Promise<T>
): Promise<T> {
  // Most commands do without.
  const client = await import('@partyd/client')
  const database: ClientDatabase = new client.PartyLevel(directory, {
    ...daemon?.database,
    logLevel: daemon?.logLevel,
    slowOperationsMs: daemon?.slowOperationsMs,
    allowNetworkFs: daemon?.allowNetworkFs,
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing,
    idleTimeoutMs,
    connectTimeoutMs: timeoutMs,
    signal
  })
  await database.open()
  try {
    return await use(database)
  } finally {
    // When the command is being ended, nothing that is under way may keep it.
    if (!signal.aborted) await database.close()
  }
}
