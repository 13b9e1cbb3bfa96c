// What of a daemon can be changed while it runs.

import type { Configuration } from '@partyd/shared'
import type { IdleWatch } from './end/idle-watch.js'
import type { Logger } from './log/logger.js'
import type { SlowOperations } from './log/slow-operations.js'

/** Those whose business each setting is. */
export interface Settings {
  readonly log: Logger
  readonly slowOperations: SlowOperations
  /** Undefined before the daemon serves. */
  readonly idleWatch: IdleWatch | undefined
}

export function readSettings({
  log,
  slowOperations,
  idleWatch
}: Settings): Required<Configuration> {
  return {
    logLevel: log.level,
    slowOperationsMs: finiteOrNull(slowOperations.thresholdMs),
    idleTimeoutMs: finiteOrNull(idleWatch?.timeoutMs ?? Number.POSITIVE_INFINITY)
  }
}

/** Changes what is given, logs what has changed, and returns all. */
export function changeSettings(
  settings: Settings,
  { logLevel, slowOperationsMs, idleTimeoutMs }: Configuration
): Required<Configuration> {
  const { log, slowOperations, idleWatch } = settings
  const before = JSON.stringify(readSettings(settings))
  if (logLevel !== undefined) log.level = logLevel
  if (slowOperationsMs !== undefined) {
    slowOperations.thresholdMs = slowOperationsMs ?? Number.POSITIVE_INFINITY
  }
  if (idleTimeoutMs !== undefined && idleWatch !== undefined) {
    idleWatch.timeoutMs = idleTimeoutMs ?? Number.POSITIVE_INFINITY
  }
  const after = readSettings(settings)
  if (JSON.stringify(after) !== before) log.info('configured', after)
  return after
}

/** As JSON has it. */
function finiteOrNull(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null
}
