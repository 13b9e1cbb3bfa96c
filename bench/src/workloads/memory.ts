// How much memory the daemon has of its own (RssAnon): with many idle clients, and with a reader
// that has stopped reading.

import { setTimeout as sleep } from 'node:timers/promises'
import { DEFAULT_DATA, type Experiment, type ExperimentContext, type Family } from '../cell.js'
import { createMeasurement, type Figures } from '../figures.js'
import { ownMegabytes } from '../processes/processor-time.js'
import type { Site } from '../site.js'

const IDLE_CLIENTS = { processes: 4, connections: 16, inFlight: 16 }
/** 400 MB. */
const LARGE = { keys: 40_000, valueBytes: 10_000 }
/** The reader is in the middle of its scan by then. */
const READING_MS = 250
/** What the daemon may still have read for the reader has arrived by then. */
const STOPPED_MS = 3000
const LOOK_MS = 50

const idle: Experiment = {
  name: 'memory-idle',
  peers: ['partyd'],
  targets: [10],
  measure: (context) => measureRounds('memory-idle', '64 idle clients', context, measureIdle)
}

const stopped: Experiment = {
  name: 'memory-stopped-reader',
  peers: ['partyd'],
  targets: [10],
  measure: (context) =>
    measureRounds('memory-stopped-reader', 'stopped reader', context, measureStopped, LARGE)
}

async function measureRounds(
  cell: string,
  entrant: string,
  { peers, rounds, startSite }: ExperimentContext,
  measure: (site: Site) => Promise<number>,
  data = DEFAULT_DATA
): ReturnType<Experiment['measure']> {
  const [peer] = peers
  if (peer === undefined) return []
  const site = await startSite(peer, data)
  const list: Figures[] = []
  for (let round = 0; round < rounds; round++) {
    // A daemon that has not just filled the database.
    await site.restart()
    list.push({ megabytes: await measure(site) })
  }
  return [createMeasurement(cell, entrant, list)]
}

/** Each has read something, and then nothing happens. */
async function measureIdle(site: Site): Promise<number> {
  await site.run({ kind: 'point', puts: 0 }, IDLE_CLIENTS, 1)
  return await peakMegabytes(site, 1000)
}

async function measureStopped(site: Site): Promise<number> {
  const reader = await site.startReader({ kind: 'scan', method: 'iterator', encoding: 'buffer' })
  await sleep(READING_MS)
  reader.kill('SIGSTOP')
  try {
    return await peakMegabytes(site, STOPPED_MS)
  } finally {
    reader.kill('SIGKILL')
  }
}

async function peakMegabytes(site: Site, ms: number): Promise<number> {
  const deadline = Date.now() + ms
  let peak = 0
  while (Date.now() < deadline) {
    peak = Math.max(peak, ownMegabytes(site.servicePid))
    await sleep(LOOK_MS)
  }
  return peak
}

export const memory: Family = {
  name: 'memory',
  about:
    'RssAnon of the daemon at its highest: with 64 idle clients that have each read something, and with a client that was stopped by SIGSTOP in the middle of a scan of 400 MB.',
  cells: [idle, stopped]
}
