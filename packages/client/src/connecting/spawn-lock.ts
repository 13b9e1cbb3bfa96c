// Keeps a herd of clients from starting a daemon each. Only an economy: LevelDB's own lock decides
// who serves, so this one may fail in any way. The only file that knows proper-lockfile.

import fs from 'node:fs'
import { createRequire, Module } from 'node:module'
import { locationFiles, TIMES } from '@partyd/shared'
import { createLocalRequire } from './installed.js'

/** locked: somebody else is starting a daemon. unavailable: no lock can be had here; go on without. */
export type SpawnLockResult =
  | { readonly status: 'acquired'; release(): void }
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
    // Nobody waits for it. It may have been compromised or removed by now, and if it stays it goes stale.
    return { status: 'acquired', release: () => void release().catch(() => {}) }
  } catch (error) {
    const isLocked = (error as NodeJS.ErrnoException).code === 'ELOCKED'
    return { status: isLocked ? 'locked' : 'unavailable' }
  }
}

/**
 * What proper-lockfile gets in place of two packages that change the process which loads them.
 * signal-exit ends a host that handles SIGTERM once and cleans up asynchronously before it has
 * cleaned up; a lock that a killed process leaves behind goes stale within seconds anyway. graceful-fs
 * puts itself before process.chdir, and does nothing for the calls that a lock is made of. Loading
 * both took as long as all the rest that a client does before it starts a daemon.
 */
const STAND_INS = new Map<string, unknown>([
  ['signal-exit', () => {}],
  ['graceful-fs', fs]
])

/** A copy of our own, unless the host has loaded it: the host's is to be what it is without us. */
function loadProperLockfile(): ProperLockfile {
  const require = createLocalRequire()
  const { cache } = require
  const path = require.resolve('proper-lockfile')
  if (cache[path] !== undefined) return require(path) as ProperLockfile
  const before = { ...cache }
  const { resolve } = createRequire(path)
  for (const [name, exports] of STAND_INS) {
    const standIn = resolve(name)
    cache[standIn] = Object.assign(new Module(standIn), { exports, loaded: true })
  }
  try {
    return require(path) as ProperLockfile
  } finally {
    for (const name of Object.keys(cache)) if (!(name in before)) delete cache[name]
    Object.assign(cache, before)
  }
}
