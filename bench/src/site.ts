// One peer with its own filled database: what serves it, and the client processes that use it. It
// stays up while the other peers take their turns.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DataShape } from './data-set.js'
import type { Peer, ServeOptions, Service } from './peers/peer.js'
import { Client } from './processes/client.js'
import { processorMs, rested } from './processes/processor-time.js'
import type { Task, TaskReport } from './tasks/task.js'

/** How many processes work, over how many connections, and how much each has under way. */
export interface Shape {
  readonly processes: number
  /** Of each process. Default: 1. */
  readonly connections?: number
  /** Operations of each process, over all of its connections. */
  readonly inFlight: number
}

export interface SiteOptions extends ServeOptions {
  readonly peer: Peer
  readonly data: DataShape
  /** Where its directory is made. */
  readonly root: string
  /** Arguments for Node in client processes. */
  readonly clientArgs: readonly string[]
}

/** What all processes of one turn did together. */
export interface Turn {
  readonly operationsPerSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** Processor time an operation takes in the clients, and in what serves them. */
  readonly clientUs: number
  readonly serviceUs: number
}

/** Time for the processes to hear of a turn before it begins. */
const LEAD_MS = 15

interface OpenClient {
  readonly client: Client
  connections: number
}

export class Site {
  readonly directory: string
  readonly #options: SiteOptions
  readonly #clients: OpenClient[] = []
  #service: Service | undefined
  #seed = 1

  private constructor(options: SiteOptions) {
    this.#options = options
    this.directory = mkdtempSync(join(options.root, `${options.peer.name}-`))
  }

  /** Starts the peer and fills its database. */
  static async start(options: SiteOptions): Promise<Site> {
    const site = new Site(options)
    try {
      await site.serve()
      const hasDatabase = options.peer.abilities.includes('batch')
      const [client] = await site.#ensureClients({ processes: 1, inFlight: 1 })
      if (hasDatabase) await client?.call('fill', undefined)
      await site.rest()
      return site
    } catch (error) {
      await site.stop()
      throw error
    }
  }

  /** Starts what serves the location; again, after {@link endService}. */
  async serve(): Promise<void> {
    this.#service = await this.#options.peer.serve?.(this.directory, this.#options)
  }

  /** What serves the location; of a peer that has none, its first client. */
  get servicePid(): number {
    return this.#service?.pid ?? (this.#clients[0]?.client.pid as number)
  }

  /** One turn: every process runs the task for so long. */
  async run(task: Task, shape: Shape, durationMs: number): Promise<Turn> {
    const clients = await this.#ensureClients(shape)
    const pid = this.#service?.pid
    const before = pid === undefined ? 0 : processorMs(pid)
    const startAt = Date.now() + LEAD_MS
    const reports = await Promise.all(
      clients.map((client) => {
        const pace = { inFlight: shape.inFlight, startAt, durationMs, seed: this.#seed++ }
        return client.call('run', { task, connections: shape.connections ?? 1, pace })
      })
    )
    const serviceMs = pid === undefined ? 0 : processorMs(pid) - before
    return summarize(reports, serviceMs)
  }

  /** Resolves when nothing of this peer is busy any more. */
  async rest(): Promise<void> {
    const clients = this.#clients.map(({ client }) => client.pid)
    await rested(this.#service === undefined ? clients : [this.#service.pid, ...clients])
  }

  /** Ends client processes until only so many are left. */
  async keepClients(count: number): Promise<void> {
    await Promise.all(this.#clients.splice(count).map(({ client }) => client.end()))
  }

  /** Opens what a shape needs, so that it is there when the clock runs. */
  async prepare(shape: Shape): Promise<void> {
    await this.#ensureClients(shape)
  }

  async stop(): Promise<void> {
    await this.keepClients(0)
    await this.#service?.stop()
    this.#service = undefined
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** Client processes start together, but at most so many at a time. */
  async #ensureClients({ processes, connections = 1 }: Shape): Promise<Client[]> {
    const missing = Math.max(0, processes - this.#clients.length)
    await Promise.all(Array.from({ length: missing }, () => this.#startClient()))
    const used = this.#clients.slice(0, processes)
    await Promise.all(used.map((open) => this.#ensureConnections(open, connections)))
    return used.map(({ client }) => client)
  }

  async #startClient(): Promise<void> {
    const open: OpenClient = { client: new Client(this.#options.clientArgs), connections: 0 }
    this.#clients.push(open)
    await open.client.call('prepare', this.#options.data)
  }

  async #ensureConnections(open: OpenClient, wanted: number): Promise<void> {
    const connections = wanted - open.connections
    if (connections <= 0) return
    const { peer, cacheBytes } = this.#options
    const options = { nodeArgs: [], ...(cacheBytes !== undefined && { cacheBytes }) }
    const address = this.#service?.address ?? this.directory
    await open.client.call('open', { peer: peer.name, address, connections, options })
    open.connections = wanted
  }
}

function summarize(reports: readonly TaskReport[], serviceMs: number): Turn {
  const operations = sum(reports, (report) => report.operations)
  const latencies = reports.flatMap((report) => report.latenciesUs).sort((a, b) => a - b)
  const rank = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
  return {
    operationsPerSecond: sum(reports, (report) => (report.operations / report.elapsedMs) * 1000),
    p50Us: rank(0.5),
    p99Us: rank(0.99),
    clientUs: (sum(reports, (report) => report.cpuMs) / operations) * 1000,
    serviceUs: (serviceMs / operations) * 1000
  }
}

function sum<T>(list: readonly T[], amount: (item: T) => number): number {
  return list.reduce((total, item) => total + amount(item), 0)
}
