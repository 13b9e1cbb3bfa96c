// Runs the cells of a family: every entrant warms up, then all take turns, round after round.

import { type Cell, canTakePart, DEFAULT_DATA, type Entrant, type Measurement } from './cell.js'
import type { DataShape } from './data-set.js'
import type { Peer } from './peers/peer.js'
import type { Shape, Turn } from './site.js'
import { Site } from './site.js'

export interface RunnerOptions {
  readonly peers: readonly Peer[]
  readonly rounds: number
  readonly isQuick: boolean
  readonly root: string
  readonly serviceArgs: readonly string[]
  readonly clientArgs: readonly string[]
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

const DEFAULT_MS = 500
const QUICK_MS = 100
const QUICK_SHARE = 50

export class Runner {
  readonly #options: RunnerOptions
  readonly #sites = new Map<string, Site>()
  readonly #missing = new Set<string>()

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  async runCell(cell: Cell): Promise<Measurement[]> {
    const contenders = await this.#contenders(cell)
    if (contenders.length === 0) return []
    const end = await cell.background?.((peer) => this.#cellSite(cell, peer))
    try {
      return await this.#takeTurns(cell, contenders)
    } finally {
      await end?.()
    }
  }

  /** Stops every peer and removes its database. */
  async clear(): Promise<void> {
    const sites = [...this.#sites.values()]
    this.#sites.clear()
    await Promise.all(sites.map((site) => site.stop()))
  }

  async #takeTurns(cell: Cell, contenders: readonly Contender[]): Promise<Measurement[]> {
    const durationMs = this.#options.isQuick ? QUICK_MS : (cell.durationMs ?? DEFAULT_MS)
    const turns = new Map<string, Turn[]>(contenders.map(({ label }) => [label, []]))
    // The first round warms up: code is compiled and caches are filled by the end of it.
    for (let round = 0; round <= this.#options.rounds; round++) {
      // Another one begins each round, so that nobody always follows the same neighbour's work.
      for (const contender of rotated(contenders, round)) {
        const turn = await this.#takeTurn(cell, contender, durationMs)
        if (turn === undefined) turns.delete(contender.label)
        else if (round > 0) turns.get(contender.label)?.push(turn)
      }
    }
    return [...turns].map(([entrant, list]) => ({ cell: cell.name, entrant, turns: list }))
  }

  /** Undefined when the contender failed, now or before. */
  async #takeTurn(cell: Cell, contender: Contender, durationMs: number): Promise<Turn | undefined> {
    const { label, site, shape } = contender
    if (contender.status === 'failed') return undefined
    try {
      const turn = await site.run(cell.task, shape, durationMs)
      await site.rest()
      return turn
    } catch (error) {
      contender.status = 'failed'
      this.#options.onFailure(cell.name, label, error as Error)
      return undefined
    }
  }

  async #contenders(cell: Cell): Promise<Contender[]> {
    const contenders: Contender[] = []
    for (const entrant of this.#entrants(cell)) {
      const site = await this.#siteOrMissing(cell, entrant)
      if (site === undefined) continue
      const shape = entrant.shape ?? cell.shape
      await site.prepare(shape)
      contenders.push({ label: entrant.label, shape, site, status: 'running' })
    }
    return contenders
  }

  #entrants(cell: Cell): readonly Entrant[] {
    const named = new Map(this.#options.peers.map((peer) => [peer.name, peer]))
    const entrants =
      cell.entrants ?? this.#options.peers.map(({ name }) => ({ label: name, peer: name }))
    return entrants.filter(({ peer: name, shape = cell.shape }: Entrant) => {
      const peer = named.get(name)
      return peer !== undefined && canTakePart(peer, cell, shape)
    })
  }

  async #siteOrMissing(cell: Cell, { peer, data }: Entrant): Promise<Site | undefined> {
    if (this.#missing.has(peer)) return undefined
    try {
      return await this.#cellSite(cell, peer, data)
    } catch (error) {
      this.#missing.add(peer)
      this.#options.onMissing(peer, (error as Error).message)
      return undefined
    }
  }

  async #cellSite(cell: Cell, name: string, ofEntrant?: DataShape): Promise<Site> {
    const data = this.#scaled(ofEntrant ?? cell.data ?? DEFAULT_DATA)
    const { cacheBytes } = cell
    const id = JSON.stringify([name, data, cacheBytes])
    const found = this.#sites.get(id)
    if (found !== undefined) return found
    const peer = this.#options.peers.find((candidate) => candidate.name === name)
    if (peer === undefined) throw new Error(`The peer '${name}' takes no part in this run`)
    await peer.require()
    const { root, serviceArgs, clientArgs } = this.#options
    const cache = cacheBytes === undefined ? {} : { cacheBytes }
    const site = await Site.start({ peer, data, root, nodeArgs: serviceArgs, clientArgs, ...cache })
    this.#sites.set(id, site)
    return site
  }

  #scaled(data: DataShape): DataShape {
    if (!this.#options.isQuick) return data
    return { ...data, keys: Math.max(32, Math.floor(data.keys / QUICK_SHARE)) }
  }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}
