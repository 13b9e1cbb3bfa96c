// For what a daemon would rather do, but can do without: its directory may take no change any more, as
// when its file system is remounted read-only.

import type { Logger } from './logger.js'

/** Logs what `act` throws, and goes on. */
export function warnOnFailure(log: Logger, act: () => void): void {
  try {
    act()
  } catch (error) {
    log.warn((error as Error).message)
  }
}
