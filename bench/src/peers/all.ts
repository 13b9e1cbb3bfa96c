// The peers by name, in the order of tables and charts.

import { classicLevel } from './classic-level.js'
import { echo } from './echo.js'
import { base, partyd } from './partyd.js'
import type { Peer } from './peer.js'
import { raveLevel } from './rave-level.js'
import { redis } from './redis.js'

export const PEERS: readonly Peer[] = [partyd, base, raveLevel, classicLevel, redis, echo]

/** Those that take part only when they are asked for. */
export const ON_DEMAND: readonly string[] = ['base']

/** @throws Error when there is no such peer. */
export function peerNamed(name: string): Peer {
  const peer = PEERS.find((candidate) => candidate.name === name)
  if (peer !== undefined) return peer
  throw new Error(`There is no peer '${name}'; there are ${PEERS.map((p) => p.name).join(', ')}`)
}
