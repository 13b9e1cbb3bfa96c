// The database or the sublevel that a data command works on.

import { hasDatabase } from '@partyd/shared'
import type { CommandInput } from '../command.js'
import { describeFailure, UsageError } from '../failure.js'
import { type ClientDatabase, type OpenOptions, withDatabase } from '../open-database.js'
import type { DataInput } from './data-options.js'

/** All keys are those of the sublevel, if one is meant. */
export interface Scope {
  /** What both have; a sublevel has all of it but the questions to the daemon. */
  readonly entries: Pick<ClientDatabase, 'get' | 'put' | 'del' | 'iterator' | 'watch' | 'atomic'>
  readonly database: ClientDatabase
  /** What the sublevel puts before its keys; nothing for the database itself. */
  readonly prefix: Buffer
}

/** @throws UsageError when there is no database at the location. */
export async function withScope<T>(
  { directory, sublevels }: DataInput,
  input: CommandInput,
  options: OpenOptions,
  use: (scope: Scope) => Promise<T>
): Promise<T> {
  const work = (database: ClientDatabase): Promise<T> => use(openScope(database, sublevels))
  return await withExisting(directory, input, options, work)
}

/**
 * Like `withDatabase`, but says it in its own words when there is none.
 * @throws UsageError when there is no database at the location.
 */
export async function withExisting<T>(
  directory: string,
  input: Pick<CommandInput, 'timeoutMs' | 'signal'>,
  options: OpenOptions,
  use: (database: ClientDatabase) => Promise<T>
): Promise<T> {
  try {
    return await withDatabase(directory, input, options, use)
  } catch (error) {
    throw isMissing(error, directory) ? missing(directory) : error
  }
}

export function openScope(database: ClientDatabase, sublevels: readonly string[]): Scope {
  if (sublevels.length === 0) return { entries: database, database, prefix: Buffer.alloc(0) }
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
  const sublevel = database.sublevel<Uint8Array, Uint8Array>([...sublevels], encodings)
  const entries = sublevel as unknown as ClientDatabase
  return { entries, database, prefix: Buffer.from(sublevel.prefix) }
}

/** A daemon has refused to make one, and there is none: options that do not fit have the same code. */
function isMissing(error: unknown, directory: string): boolean {
  return describeFailure(error).code === 'LEVEL_INVALID_ARGUMENT' && !hasDatabase(directory)
}

function missing(directory: string): UsageError {
  const hint = 'Check the path. `partyd put` makes a database where there is none.'
  return new UsageError(`there is no database at ${directory}`, hint)
}
