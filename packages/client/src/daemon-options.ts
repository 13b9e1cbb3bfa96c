// Whether a daemon that was found was opened with the options that this client would have given it.

import { type DatabaseOptions, PartyError } from '@partyd/shared'
import type { Link } from './connecting/connector.js'

/** They say what an open is to do, and the daemon has long been open. */
const OPENING: readonly string[] = ['createIfMissing', 'errorIfExists']

/**
 * @param wanted the options that the user gave; what was not given may be anything.
 * @returns what to tell the user; undefined when all are as wanted, or the daemon does not say.
 */
export function compareOptions(
  wanted: DatabaseOptions,
  { welcome, endpoint }: Link
): PartyError | undefined {
  const actual: Readonly<Record<string, unknown>> = { ...welcome.options }
  const differences = Object.entries(wanted)
    .filter(([name]) => !OPENING.includes(name) && Object.hasOwn(actual, name))
    .filter(([name, value]) => actual[name] !== value)
    .map(([name, value]) => `${name} is ${actual[name]}, not ${value}`)
  if (differences.length === 0) return undefined
  const message = `The daemon (pid ${welcome.pid}) had been opened with other options, and keeps them: ${differences.join('; ')}. Stop it to have it started with those of the next client.`
  return new PartyError('PARTYD_OPTIONS_DIFFER', message, { endpoint, pid: welcome.pid })
}
