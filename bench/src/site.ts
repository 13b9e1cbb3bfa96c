// One peer with its own filled database: what serves it, and the client processes that use it. It
// stays up while the other peers take their turns.

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DataShape } from './data-set.js'
import type { Figures } from './figures.js'
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
}

/** Time for the processes to hear of a turn before it begins. */
const LEAD_MS = 15
/** Longer than any cell; a load is told when to stop. */
const LOAD_MS = 3_600_000

export class Site {
  readonly #directory: string
  readonly #options: SiteOptions
  readonly #clients: Client[] = []
  readonly #loads: Client[] = []
  #service: Service | undefined
  #seed = 1

  constructor(options: SiteOptions) {
    this.#options = options
    this.#directory = mkdtempSync(join(options.root, `${options.peer.name}-`))
  }

  /** Starts the peer and fills its database. */
  async start(): Promise<void> {
    await this.#serve()
    const [client] = await this.#ensureClients({ processes: 1, inFlight: 1 })
    if (this.#options.peer.abilities.includes('batch')) await client?.call('fill', undefined)
    await this.rest()
  }

  /** The process that serves the location. */
  get servicePid(): number {
    if (this.#service === undefined) throw new Error(`${this.#options.peer.name} serves nobody`)
    return this.#service.pid
  }

  /** Opens what a shape needs, so that it is there when the clock runs. */
  async prepare(shape: Shape): Promise<void> {
    await this.#ensureClients(shape)
  }

  /** One turn: every process runs the task for so long. */
  async run(task: Task, shape: Shape, durationMs: number): Promise<Figures> {
    const clients = await this.#ensureClients(shape)
    const pid = this.#service?.pid
    const before = pid === undefined ? 0 : processorMs(pid)
    const reports = await Promise.all(this.#start(clients, task, shape, durationMs))
    const serviceMs = pid === undefined ? undefined : processorMs(pid) - before
    return summarize(reports, serviceMs)
  }

  /** Starts a process that runs a task until what is returned is called. */
  async startLoad(task: Task, inFlight: number): Promise<() => Promise<void>> {
    const shape = { processes: 1, inFlight }
    const client = await this.#startClient(this.#loads)
    await this.#open(client, 1)
    const [running] = this.#start([client], task, shape, LOAD_MS)
    return async () => {
      await client.call('halt', undefined)
      await running
      this.#loads.splice(this.#loads.indexOf(client), 1)
      await client.end()
    }
  }

  /** A process of its own that runs a task and may be stopped by a signal. */
  async startReader(task: Task): Promise<Client> {
    const client = await this.#startClient(this.#loads)
    await this.#open(client, 1)
    for (const running of this.#start([client], task, { processes: 1, inFlight: 1 }, LOAD_MS)) {
      // It will be killed in the middle of it.
      running.catch(() => undefined)
    }
    return client
  }

  /** Ends all clients and what serves them, and serves the same database again. */
  async restart(): Promise<void> {
    await this.#endClients()
    await this.#service?.stop()
    await this.#serve()
  }

  /** Resolves when nothing of this peer is busy any more. */
  async rest(): Promise<void> {
    const clients = this.#clients.map(({ pid }) => pid)
    await rested(this.#service === undefined ? clients : [this.#service.pid, ...clients])
  }

  async stop(): Promise<void> {
    await this.#endClients()
    await this.#service?.stop()
    this.#service = undefined
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #serve(): Promise<void> {
    this.#service = await this.#options.peer.serve?.(this.#directory, this.#options)
  }

  async #endClients(): Promise<void> {
    const clients = [...this.#clients.splice(0), ...this.#loads.splice(0)]
    await Promise.all(clients.map((client) => client.end()))
  }

  #start(
    clients: readonly Client[],
    task: Task,
    { connections = 1, inFlight }: Shape,
    durationMs: number
  ): Promise<TaskReport>[] {
    const startAt = Date.now() + LEAD_MS
    return clients.map((client) => {
      const pace = { inFlight, startAt, durationMs, seed: this.#seed++ }
      return client.call('run', { task, connections, pace })
    })
  }

  async #ensureClients({ processes, connections = 1 }: Shape): Promise<Client[]> {
    const missing = Math.max(0, processes - this.#clients.length)
    await Promise.all(Array.from({ length: missing }, () => this.#startClient(this.#clients)))
    const used = this.#clients.slice(0, processes)
    await Promise.all(used.map((client) => this.#open(client, connections)))
    return used
  }

  async #startClient(list: Client[]): Promise<Client> {
    const client = new Client(this.#options.nodeArgs)
    list.push(client)
    await client.call('prepare', this.#options.data)
    return client
  }

  async #open(client: Client, connections: number): Promise<void> {
    const { peer, cacheBytes } = this.#options
    const cache = cacheBytes === undefined ? {} : { cacheBytes }
    await client.call('open', {
      peer: peer.name,
      address: this.#service?.address ?? this.#directory,
      connections,
      options: { nodeArgs: [], ...cache }
    })
  }
}

/** What all processes of one turn did together. */
function summarize(reports: readonly TaskReport[], serviceMs: number | undefined): Figures {
  const operations = sum(reports, (report) => report.operations)
  const latencies = reports.flatMap((report) => report.latenciesUs).sort((a, b) => a - b)
  const rank = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
  return {
    operationsPerSecond: sum(reports, (report) => (report.operations / report.elapsedMs) * 1000),
    p50Us: rank(0.5),
    p99Us: rank(0.99),
    clientUs: (sum(reports, (report) => report.cpuMs) / operations) * 1000,
    ...(serviceMs !== undefined && { serviceUs: (serviceMs / operations) * 1000 })
  }
}

function sum<T>(list: readonly T[], amount: (item: T) => number): number {
  return list.reduce((total, item) => total + amount(item), 0)
}
