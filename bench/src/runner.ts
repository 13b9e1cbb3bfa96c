// Runs cells: all entrants are up at once and take turns, round after round.

import {
  type Cell,
  canTakePart,
  DEFAULT_DATA,
  type Entrant,
  type Experiment,
  type ExperimentContext
} from './cell.js'
import type { DataShape } from './data-set.js'
import { createMeasurement, type Figures, type Measurement } from './figures.js'
import type { Peer } from './peers/peer.js'
import { type Shape, Site } from './site.js'
import type { Task } from './tasks/task.js'

export interface RunnerOptions {
  readonly peers: readonly Peer[]
  readonly rounds: number
  readonly isQuick: boolean
  readonly root: string
  /** Arguments for Node in what serves and in what uses. */
  readonly nodeArgs: readonly string[]
  /** Told why a peer cannot take part. */
  onMissing(peer: string, why: string): void
  /** Told of an entrant that failed or gave wrong data; it is out of that cell. */
  onFailure(cell: string, entrant: string, error: Error): void
}

/** An entrant with all that a turn of it needs. */
interface Contender {
  readonly label: string
  readonly shape: Shape
  readonly site: Site
  status: 'running' | 'failed'
}

const DEFAULT_MS = 350
const QUICK_MS = 60
/** A quick run has so many times fewer keys. */
const QUICK_SHARE = 100
const QUICK_KEYS_MIN = 64

const READ_ALL: Task = { kind: 'scan', method: 'iterator', encoding: 'utf8' }

export class Runner {
  readonly #options: RunnerOptions
  readonly #sites = new Map<string, Site>()
  readonly #missing = new Set<string>()

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  async run(cell: Cell | Experiment): Promise<Measurement[]> {
    return 'measure' in cell ? await this.#runExperiment(cell) : await this.#runCell(cell)
  }

  /** Stops every peer and removes its database. */
  async clear(): Promise<void> {
    const sites = [...this.#sites.values()]
    this.#sites.clear()
    await Promise.all(sites.map((site) => site.stop()))
  }

  async #runExperiment(experiment: Experiment): Promise<Measurement[]> {
    const peers: Peer[] = []
    for (const peer of this.#options.peers) {
      if (!experiment.peers.includes(peer.name)) continue
      const isThere = await this.#tryPeer(peer.name, async () => {
        await peer.require()
        return true
      })
      if (isThere) peers.push(peer)
    }
    const { rounds, isQuick, root } = this.#options
    const startSite: ExperimentContext['startSite'] = (peer, data) => this.#site(peer.name, data)
    try {
      return await experiment.measure({ peers, rounds, isQuick, root, startSite })
    } catch (error) {
      this.#options.onFailure(experiment.name, 'all', error as Error)
      return []
    }
  }

  async #runCell(cell: Cell): Promise<Measurement[]> {
    const contenders = await this.#contenders(cell)
    if (contenders.length === 0) return []
    if (cell.cacheBytes !== undefined) {
      const reader = { processes: 1, inFlight: 1 }
      for (const { site } of contenders) await site.run(READ_ALL, reader, 1)
    }
    const data = cell.data ?? DEFAULT_DATA
    const end = await cell.background?.((peer) => this.#site(peer, data, cell.cacheBytes))
    try {
      return await this.#takeTurns(cell, contenders)
    } finally {
      await end?.()
    }
  }

  async #takeTurns(cell: Cell, contenders: readonly Contender[]): Promise<Measurement[]> {
    const rounds = new Map<string, Figures[]>(contenders.map(({ label }) => [label, []]))
    // The first round warms up: code is compiled and caches are filled by the end of it.
    for (let round = 0; round <= this.#options.rounds; round++) {
      // Another one begins each round, so that nobody always follows the same neighbour's work.
      for (const contender of rotated(contenders, round)) {
        const figures = await this.#takeTurn(cell, contender, this.#durationOf(cell, round))
        if (figures === undefined) rounds.delete(contender.label)
        else if (round > 0) rounds.get(contender.label)?.push(figures)
      }
    }
    return [...rounds].map(([entrant, list]) => createMeasurement(cell.name, entrant, list))
  }

  #durationOf({ durationMs = DEFAULT_MS, warmUpMs = durationMs }: Cell, round: number): number {
    if (this.#options.isQuick) return QUICK_MS
    return round === 0 ? warmUpMs : durationMs
  }

  /** Undefined when the contender failed, now or before. */
  async #takeTurn(
    cell: Cell,
    contender: Contender,
    durationMs: number
  ): Promise<Figures | undefined> {
    const { label, site, shape } = contender
    if (contender.status === 'failed') return undefined
    try {
      const figures = await site.run(cell.task, shape, durationMs)
      // With something going on all the time nobody ever comes to rest.
      if (cell.background === undefined) await site.rest()
      return figures
    } catch (error) {
      contender.status = 'failed'
      this.#options.onFailure(cell.name, label, error as Error)
      return undefined
    }
  }

  async #contenders(cell: Cell): Promise<Contender[]> {
    const contenders: Contender[] = []
    for (const { label, peer, ...own } of this.#entrants(cell)) {
      const shape = own.shape ?? cell.shape
      const site = await this.#tryPeer(peer, async () => {
        const data = own.data ?? cell.data ?? DEFAULT_DATA
        const started = await this.#site(peer, data, cell.cacheBytes)
        await started.prepare(shape)
        return started
      })
      if (site !== undefined) contenders.push({ label, shape, site, status: 'running' })
    }
    return contenders
  }

  #entrants(cell: Cell): readonly Entrant[] {
    const { peers } = this.#options
    const entrants = cell.entrants ?? peers.map(({ name }) => ({ label: name, peer: name }))
    return entrants.filter(({ peer: name, shape = cell.shape }: Entrant) => {
      const peer = peers.find((candidate) => candidate.name === name)
      return peer !== undefined && canTakePart(peer, cell, shape)
    })
  }

  /** Undefined when the peer cannot be had, now or before. */
  async #tryPeer<T>(peer: string, action: () => Promise<T>): Promise<T | undefined> {
    if (this.#missing.has(peer)) return undefined
    try {
      return await action()
    } catch (error) {
      this.#missing.add(peer)
      this.#options.onMissing(peer, (error as Error).message)
      return undefined
    }
  }

  async #site(name: string, shape: DataShape, cacheBytes?: number): Promise<Site> {
    const data = this.#options.isQuick ? quick(shape) : shape
    const id = JSON.stringify([name, data, cacheBytes])
    const found = this.#sites.get(id)
    if (found !== undefined) return found
    const { peers, root, nodeArgs } = this.#options
    const peer = peers.find((candidate) => candidate.name === name)
    if (peer === undefined) throw new Error(`The peer '${name}' takes no part in this run`)
    await peer.require()
    const cache = cacheBytes === undefined ? {} : { cacheBytes }
    const site = new Site({ peer, data, root, nodeArgs, ...cache })
    // Known before it has started, so that it is stopped with the others at any moment.
    this.#sites.set(id, site)
    try {
      await site.start()
      return site
    } catch (error) {
      this.#sites.delete(id)
      await site.stop()
      throw error
    }
  }
}

function quick(data: DataShape): DataShape {
  const keys = Math.max(QUICK_KEYS_MIN, Math.floor(data.keys / QUICK_SHARE))
  return { ...data, keys: Math.min(keys, data.keys) }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}
