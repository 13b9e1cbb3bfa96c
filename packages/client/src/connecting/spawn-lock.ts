// Keeps a herd of clients from starting a daemon each. Only an economy: LevelDB's own lock decides
// who serves, so this one may fail in any way. The only file that knows proper-lockfile.

import { createRequire } from 'node:module'
import { locationFiles, TIMES } from '@partyd/shared'

/** locked: somebody else is starting a daemon. unavailable: no lock can be had here; go on without. */
export type SpawnLockResult =
  | { readonly status: 'acquired'; release(): Promise<void> }
  | { readonly status: 'locked' }
  | { readonly status: 'unavailable' }

type ProperLockfile = typeof import('proper-lockfile')

export async function acquireSpawnLock(location: string): Promise<SpawnLockResult> {
  try {
    const release = await loadProperLockfile().lock(location, {
      lockfilePath: locationFiles(location).spawnLock,
      realpath: false,
      retries: 0,
      stale: TIMES.spawnLockStale,
      update: TIMES.spawnLockUpdate,
      onCompromised: () => {} // Then two daemons race for LevelDB's lock, and one of them gets it.
    })
    return { status: 'acquired', release: () => release().catch(ignoreLostLock) }
  } catch (error) {
    const isLocked = (error as NodeJS.ErrnoException).code === 'ELOCKED'
    return { status: isLocked ? 'locked' : 'unavailable' }
  }
}

/** The lock was compromised or removed by then: nothing is left to release. */
function ignoreLostLock(error: NodeJS.ErrnoException): void {
  if (
    error.code !== 'ERELEASED' &&
    error.code !== 'ENOTACQUIRED' &&
    error.code !== 'ECOMPROMISED'
  ) {
    throw error
  }
}

interface SignalExit {
  unload(): void
}

/** What signal-exit keeps on the process object: it may be there before us, from another package. */
interface SignalExitEmitter {
  readonly count: number
}

/**
 * Loading proper-lockfile installs signal-exit, which ends a host that handles SIGTERM once and
 * cleans up asynchronously before it has cleaned up. So it is taken out again at once, unless the
 * host uses it itself. A lock that a killed process leaves behind goes stale within seconds.
 */
function loadProperLockfile(): ProperLockfile {
  const require = createRequire(import.meta.url)
  const requireFromLockfile = createRequire(require.resolve('proper-lockfile'))
  const isFirst = require.cache[require.resolve('proper-lockfile')] === undefined
  const countBefore = signalExitCount()
  const hadOwnEmit = Object.hasOwn(process, 'emit')
  const lockfile = require('proper-lockfile') as ProperLockfile
  if (isFirst && countBefore === 0) {
    const signalExit = requireFromLockfile('signal-exit') as SignalExit
    signalExit.unload()
    // It puts the inherited method back as the process's own, which would hide later changes of it.
    if (!hadOwnEmit) Reflect.deleteProperty(process, 'emit')
  }
  return lockfile
}

function signalExitCount(): number {
  const { __signal_exit_emitter__: emitter } = process as typeof process & {
    readonly __signal_exit_emitter__?: SignalExitEmitter
  }
  return emitter?.count ?? 0
}
