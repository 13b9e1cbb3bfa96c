// The peers by name, in the order of tables and charts.

import { betterSqlite3 } from './better-sqlite3.js'
import { classicLevel } from './classic-level.js'
import { echo } from './echo.js'
import { levelParty } from './level-party.js'
import { lmdb } from './lmdb.js'
import { manyLevel, manyLevelOwn } from './many-level.js'
import { base, partyd } from './partyd.js'
import type { Peer } from './peer.js'
import { raveLevel } from './rave-level.js'
import { redis } from './redis.js'

export const PEERS: readonly Peer[] = [
  partyd,
  base,
  raveLevel,
  manyLevel,
  manyLevelOwn,
  levelParty,
  classicLevel,
  lmdb,
  betterSqlite3,
  redis,
  echo
]

/** Those that take part only when they are asked for. */
export const ON_DEMAND: readonly string[] = ['base', 'better-sqlite3', 'level-party']

/** @throws Error when there is no such peer. */
export function peerNamed(name: string): Peer {
  const peer = PEERS.find((candidate) => candidate.name === name)
  if (peer !== undefined) return peer
  throw new Error(`There is no peer '${name}'; there are ${PEERS.map((p) => p.name).join(', ')}`)
}
