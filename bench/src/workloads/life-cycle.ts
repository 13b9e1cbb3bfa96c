// What starting costs, and what the end of the process in charge.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Experiment, ExperimentContext, Family } from '../cell.js'
import { createMeasurement, type Measurement } from '../figures.js'
import type { Peer } from '../peers/peer.js'
import { Client } from '../processes/client.js'

/** Who takes part, under which name, and how one round of it is timed. */
interface Timed {
  readonly entrant: string
  time(directory: string): Promise<number>
}

const FAILOVER_CLIENTS = 4

const coldStart: Experiment = {
  name: 'cold-start',
  peers: ['partyd', 'base', 'rave-level', 'level-party', 'classic-level'],
  measure: (context) =>
    timeInTurn('cold-start', context, [
      { entrant: 'node alone', time: timeNode },
      ...context.peers.map((peer) => ({
        entrant: peer.name,
        time: (directory: string) => timeColdStart(peer, directory)
      }))
    ])
}

const failover: Experiment = {
  name: 'failover',
  peers: ['partyd', 'base', 'rave-level', 'level-party'],
  measure: (context) =>
    timeInTurn(
      'failover',
      context,
      context.peers.map((peer) => ({
        entrant: peer.name,
        time: (directory) => timeFailover(peer, directory)
      }))
    )
}

async function timeInTurn(
  cell: string,
  { rounds, root }: ExperimentContext,
  entrants: readonly Timed[]
): Promise<Measurement[]> {
  const times = entrants.map((): { ms: number }[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, { time }] of entrants.entries()) {
      const directory = mkdtempSync(join(root, `${cell}-`))
      times[index]?.push({ ms: await time(directory) })
      rmSync(directory, { recursive: true })
    }
  }
  return entrants.map(({ entrant }, index) => createMeasurement(cell, entrant, times[index] ?? []))
}

/** A process that opens nothing: its modules are loaded and it has answered. */
async function timeNode(): Promise<number> {
  const startedAt = performance.now()
  const client = new Client([])
  await client.call('close', undefined)
  const ms = performance.now() - startedAt
  await client.end()
  return ms
}

/** From the start of a process to the answer to its first put, with nothing running there. */
async function timeColdStart(peer: Peer, directory: string): Promise<number> {
  const startedAt = performance.now()
  const client = new Client([])
  try {
    await client.call('openCold', { peer: peer.name, directory })
    await client.call('putOne', undefined)
    return performance.now() - startedAt
  } finally {
    await client.end()
  }
}

/** From SIGKILL of the process in charge to the answer to another one's next put. */
async function timeFailover(peer: Peer, directory: string): Promise<number> {
  const clients: Client[] = []
  try {
    for (let index = 0; index < FAILOVER_CLIENTS; index++) {
      const client = new Client([])
      clients.push(client)
      await client.call('openCold', { peer: peer.name, directory })
      await client.call('putOne', undefined)
    }
    const first = clients[0] as Client
    const last = clients.at(-1) as Client
    const startedAt = performance.now()
    process.kill(peer.leaderPid?.(directory) ?? first.pid, 'SIGKILL')
    await last.call('putOne', undefined)
    return performance.now() - startedAt
  } finally {
    // The last one stops what the others may still use.
    for (const client of clients) await client.end()
  }
}

export const lifeCycle: Family = {
  name: 'life cycle',
  about:
    '`cold-start`: from the start of a process to the answer to its first put, with no daemon running. `failover`: from `kill -9` of the daemon, or of the leader, to the answer to the next put of one of the others.',
  cells: [coldStart, failover]
}
