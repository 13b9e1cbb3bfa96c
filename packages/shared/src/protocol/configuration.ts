// What a running daemon can be told by a `configure` frame, and answers to it.

import { ProtocolError } from '../errors.js'
import { isCount, parseObject } from './json-body.js'

/** What a daemon can be told to do otherwise while it runs. What is not there stays as it is. */
export interface Configuration {
  /** Least severe level to log. */
  logLevel?: string
  /** Milliseconds from which on an operation counts as slow; null for never. */
  slowOperationsMs?: number | null
  /** Milliseconds to stay without clients; null for ever. */
  idleTimeoutMs?: number | null
}

/** Levels of the log, least severe first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** @throws ProtocolError when a field of the configuration is of the wrong type. */
export function parseConfiguration(text: string): Configuration {
  const value = parseObject(text, 'configuration')
  const { logLevel, slowOperationsMs, idleTimeoutMs } = value
  const valid =
    (logLevel === undefined || (LOG_LEVELS as readonly unknown[]).includes(logLevel)) &&
    [slowOperationsMs, idleTimeoutMs].every((ms) => ms === undefined || ms === null || isCount(ms))
  if (!valid) throw new ProtocolError('A configuration has a field of the wrong type')
  return value as unknown as Configuration
}
