// The life of a daemon, from its first line to its last: a list of steps, undone in reverse.

import { randomBytes } from 'node:crypto'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DaemonArguments,
  EXIT_CODES,
  type GoodbyeReason,
  locationFiles,
  PartyError,
  PROTOCOL_VERSIONS,
  type Rendezvous,
  removeRendezvous,
  resolveDatabaseOptions,
  resolveLocation,
  TIMES,
  toWireError,
  type Welcome,
  writeRendezvous
} from '@partyd/shared'
import { type Claim, claim, openError } from './claim.js'
import { Counters } from './counters.js'
import { Endpoint } from './endpoint.js'
import { Fence } from './fence.js'
import { IdleWatch } from './idle-watch.js'
import { Logger } from './logger.js'
import { PACKAGE_VERSION } from './package-version.js'
import { probe, requestDrain } from './probe.js'
import { Connections } from './session/connections.js'
import type { Engine } from './session/engine.js'
import type { PartyConnection } from './session/party-connection.js'
import { SessionRegistry } from './session/session-registry.js'
import { StartChannel } from './start-channel.js'
import { AlreadyRunning, StartError } from './start-error.js'
import { CommitQueue } from './store/commit-queue.js'
import type { Database } from './store/database.js'
import { ReadPath } from './store/read-path.js'
import { ScanQueue } from './store/scan-queue.js'
import { SessionRecords } from './store/session-records.js'

/** How long after READY the parts that were left out to be quick are loaded. */
const LOAD_REST_MS = 500

/** Serves a location until it is told to stop, then ends the process. */
export async function serve(options: DaemonArguments): Promise<never> {
  const exitCode = await new Daemon(options).run()
  process.exit(exitCode)
}

class Daemon {
  readonly #options: DaemonArguments
  readonly #instanceId = randomBytes(8).toString('hex')
  readonly #startedAt = new Date()
  readonly #startChannel: StartChannel
  readonly #stopped = new AbortController()
  /** parking: idle and on the way out, unless a client comes. */
  #status: 'starting' | 'serving' | 'parking' | 'draining' | 'closed' = 'starting'
  #location = ''
  #log: Logger
  #resolveExit: (exitCode: number) => void = () => {}
  readonly #exit: Promise<number>

  // What serving needs, in the order it comes to be.
  #engine: Engine | undefined
  #connections: Connections | undefined
  #endpoint: Endpoint | undefined
  #fence: Fence | undefined
  #idleWatch: IdleWatch | undefined
  readonly #stopRequests: PartyConnection[] = []
  /** How often it has been on the way out for want of clients. */
  #parkings = 0
  /** Each further signal makes the drain shorter. */
  #signals = 0
  readonly #hurry = new AbortController()

  constructor(options: DaemonArguments) {
    this.#options = options
    this.#startChannel = new StartChannel(options.readyFd)
    this.#log = this.#createLogger(undefined)
    this.#exit = new Promise((resolve) => {
      this.#resolveExit = resolve
    })
  }

  /** @returns the process's exit code. */
  async run(): Promise<number> {
    try {
      this.#prepareProcess()
      await this.#start()
    } catch (error) {
      await this.#reportStartFailure(error)
      return this.#exitCodeOf(error)
    }
    return this.#exit
  }

  /** Handlers come first: a signal that arrives during a slow start must not be lost. */
  #prepareProcess(): void {
    process.on('SIGTERM', () => this.#onSignal('SIGTERM'))
    process.on('SIGINT', () => this.#onSignal('SIGINT'))
    process.on('SIGHUP', () => this.#onHangUp())
    process.on('uncaughtException', (error) => this.#onBug(error))
    process.umask(0o077)
  }

  async #start(): Promise<void> {
    this.#location = this.#resolveLocation()
    process.title = `partyd ${this.#location}`
    this.#log = this.#createLogger(this.#location)
    process.chdir('/')
    const serving = await probe(this.#location)
    if (serving !== undefined) await this.#onServed(serving)
    const claimed = await this.#claim()
    try {
      await this.#publish(claimed)
    } catch (error) {
      await this.#engine?.sessions.undoOpen()
      await claimed.database.close()
      throw error
    }
    this.#announce(claimed.created)
  }

  #resolveLocation(): string {
    const { location, database } = this.#options
    try {
      return resolveLocation(location, database.createIfMissing !== false)
    } catch (error) {
      const known = error as PartyError
      throw new StartError(known.code === 'PARTYD_PERMISSION' ? 'disk' : 'usage', known)
    }
  }

  #claim(): Promise<Claim> {
    return claim({
      location: this.#location,
      mode: this.#options.mode,
      database: this.#options.database,
      signal: this.#stopped.signal,
      onProgress: (message) => {
        this.#log.info(message)
        this.#startChannel.report({ event: 'progress', message })
      },
      onServed: (welcome) => this.#onServed(welcome)
    })
  }

  /**
   * An auto-spawned daemon makes room for one that was started on purpose; otherwise whoever is
   * there stays, and a service waits for its turn.
   */
  async #onServed({ pid, mode }: Welcome): Promise<void> {
    const own = this.#options.mode
    if (own !== 'auto' && mode === 'auto') {
      this.#log.info(`taking over from the daemon that a client started (pid ${pid})`)
      return requestDrain(this.#location)
    }
    if (own !== 'service') throw new AlreadyRunning(this.#location, pid, mode)
  }

  async #publish({ database }: Claim): Promise<void> {
    const counters = new Counters()
    const readPath = new ReadPath(database)
    const commitQueue = new CommitQueue(database, {
      beforeBatch: () => {
        counters.batches++
        readPath.dispatch()
      },
      onWriteFailed: (error) => this.#onWriteFailed(error)
    })
    const records = await openRecords(database, this.#location)
    const sessions = new SessionRegistry(records, commitQueue, () =>
      this.#connections?.sayGeneration(records.generation)
    )
    this.#engine = {
      database,
      commitQueue,
      readPath,
      scanQueue: new ScanQueue(),
      sessions,
      counters,
      syncByDefault: this.#options.database.sync === true
    }
    const connections = this.#createConnections(this.#engine)
    this.#connections = connections
    this.#endpoint = await Endpoint.bind(this.#location, () => this.#createServer(connections))
    this.#stopped.signal.throwIfAborted()
    this.#endpoint.publish()
    writeRendezvous(this.#location, this.#rendezvous(this.#endpoint))
    this.#status = 'serving'
  }

  #createServer(connections: Connections): Server {
    const server = createServer((socket) => void connections.admit(socket))
    // The kernel may run out of descriptors; those who wait in the backlog get their turn later.
    server.on('error', (error) => this.#log.warn(`cannot accept a connection: ${error.message}`))
    return server
  }

  #createConnections(engine: Engine): Connections {
    return new Connections({
      engine,
      log: this.#log,
      identity: {
        version: PACKAGE_VERSION,
        instanceId: this.#instanceId,
        pid: process.pid,
        mode: this.#options.mode,
        options: resolveDatabaseOptions(this.#options.database)
      },
      isServing: () => this.#status === 'serving',
      welcomeClient: () => this.#welcomeClient(),
      describeStatus: () => this.#describeStatus(),
      onClientChange: () => this.#onClientChange(),
      onStopRequest: (connection) => {
        this.#stopRequests.push(connection)
        void this.#drain('stop')
      }
    })
  }

  #rendezvous({ path }: Endpoint): Rendezvous {
    return {
      schema: 1,
      instanceId: this.#instanceId,
      pid: process.pid,
      host: hostname(),
      endpoint: path,
      proto: PROTOCOL_VERSIONS,
      version: PACKAGE_VERSION,
      mode: this.#options.mode,
      startedAt: this.#startedAt.toISOString(),
      log: this.#logFile ?? null
    }
  }

  #announce(created: boolean): void {
    const endpoint = (this.#endpoint as Endpoint).path
    const { pid } = process
    const instanceId = this.#instanceId
    this.#startChannel.report({ event: 'ready', pid, instanceId, endpoint, created })
    this.#startChannel.close()
    const { exit, failed } = locationFiles(this.#location)
    rmSync(exit, { force: true })
    rmSync(failed, { force: true })
    this.#log.info(`serving ${this.#location}`, { endpoint, mode: this.#options.mode })
    this.#armFence()
    const { mode, idleTimeoutMs } = this.#options
    const defaultMs = mode === 'auto' ? TIMES.idle : Number.POSITIVE_INFINITY
    this.#idleWatch = new IdleWatch(idleTimeoutMs ?? defaultMs, () => void this.#drain('idle'))
    if (mode === 'auto') this.#idleWatch.awaitFirstClient()
    // A spawned daemon has clients waiting; a person waits for the log.
    setTimeout(() => void this.#loadRest(), mode === 'auto' ? LOAD_REST_MS : 0).unref()
  }

  #armFence(): void {
    const endpoint = this.#endpoint as Endpoint
    const intervalMs = this.#options.fenceIntervalMs ?? TIMES.fence
    this.#fence = new Fence(this.#location, endpoint, intervalMs, {
      onEndpointMissing: () => {
        // While parking, we are the ones who took it away.
        if (this.#status !== 'serving') return
        this.#log.warn(`${endpoint.path} was removed; publishing it again`)
        endpoint.republish().catch((error: Error) => this.#log.warn(error.message))
      },
      onLost: (reason) => this.#onLost(reason)
    })
  }

  /** Loads what may be needed later, while the files are still there (an npx cache may vanish). */
  async #loadRest(): Promise<void> {
    await this.#log.load()
    await import('many-level')
  }

  #onClientChange(): void {
    const connections = this.#connections
    if (connections === undefined) return
    this.#idleWatch?.update(connections.clientCount, connections.silentCount)
  }

  #describeStatus(): object {
    return {
      schema: 1,
      status: this.#status,
      pid: process.pid,
      instanceId: this.#instanceId,
      version: PACKAGE_VERSION,
      mode: this.#options.mode,
      location: this.#location,
      endpoint: this.#endpoint?.path,
      startedAt: this.#startedAt.toISOString(),
      uptimeMs: Math.round(process.uptime() * 1000),
      options: resolveDatabaseOptions(this.#options.database),
      clients: this.#connections?.clientCount,
      counters: { clients: this.#connections?.clientCount, ...this.#engine?.counters }
    }
  }

  // The end

  #onSignal(name: string): void {
    this.#signals++
    this.#log.info(`received ${name}`)
    this.#stopped.abort(new StoppedDuringStart())
    if (this.#status === 'serving') void this.#drain('signal')
    else if (this.#signals === 2) setTimeout(() => this.#hurry.abort(), TIMES.drainHurried)
    else if (this.#signals > 2) this.#hurry.abort()
  }

  /** A terminal that goes away takes a foreground daemon with it; others have none to lose. */
  #onHangUp(): void {
    if (this.#options.mode === 'foreground' && process.stdin.isTTY) this.#onSignal('SIGHUP')
  }

  /** Lets the clients finish, gives everything back in reverse order, the lock last. */
  async #drain(reason: GoodbyeReason): Promise<void> {
    if (this.#status !== 'serving') return
    const { database, sessions } = this.#engine as Engine
    const connections = this.#connections as Connections
    const endpoint = this.#endpoint as Endpoint
    this.#status = reason === 'idle' ? 'parking' : 'draining'
    endpoint.unpublish()
    if (reason === 'idle' && (await this.#isNeededAfterAll())) return
    this.#log.info(`stopping: ${reason}`, { clients: connections.clientCount })
    this.#fence?.stop()
    this.#idleWatch?.stop()
    connections.sayGoodbye(reason)
    await this.#waitForClients(connections)
    endpoint.close()
    connections.destroyAll()
    await sessions.removeAll()
    this.#removeFiles()
    this.#log.info('stopped')
    await this.#log.load()
    await database.close()
    this.#status = 'closed'
    for (const connection of this.#stopRequests) connection.answerStop()
    this.#resolveExit(EXIT_CODES.ok)
  }

  /** A client may have connected just before the socket was taken away: then all is as before. */
  async #isNeededAfterAll(): Promise<boolean> {
    const parking = ++this.#parkings
    await sleep(TIMES.acceptTail)
    // A client has come; it may even have gone again, and the next parking has begun.
    if (this.#status !== 'parking' || parking !== this.#parkings) return true
    this.#status = 'draining'
    return false
  }

  /** @returns whether a client that has just come can be served. */
  #welcomeClient(): boolean {
    if (this.#status === 'parking') {
      this.#endpoint?.publish()
      this.#status = 'serving'
      this.#log.info('a client came: staying')
      this.#onClientChange()
    }
    return this.#status === 'serving'
  }

  /** Clients that have been told go by themselves; whoever just connected is told too. */
  async #waitForClients(connections: Connections): Promise<void> {
    // A timer of our own: AbortSignal.any forgets a time-out when it is collected as garbage (Node 20).
    let timer: NodeJS.Timeout | undefined
    const givenUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, TIMES.drain)
      this.#hurry.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    const settled = Promise.all([sleep(TIMES.acceptTail), connections.noClients()])
    await Promise.race([settled, givenUp])
    clearTimeout(timer)
  }

  #removeFiles(): void {
    removeRendezvous(this.#location)
    const { exit, spawnLock } = locationFiles(this.#location)
    rmSync(exit, { force: true })
    // Whoever holds it refreshes it every second.
    if (isOlderThan(spawnLock, 2.5 * TIMES.spawnLockUpdate)) {
      rmSync(spawnLock, { recursive: true, force: true })
    }
  }

  /**
   * After one failed append LevelDB goes on acknowledging writes that recovery will drop. So nothing
   * is answered or written any more; whoever opens the database next starts a new log.
   */
  #onWriteFailed(error: Error): void {
    const message = `LevelDB failed to write: ${error.message}`
    this.#log.fatal(message, { err: error })
    this.#endpoint?.unpublish()
    this.#connections?.sayGoodbye('failed-write', message)
    this.#endSuddenly('disk', message)
  }

  /**
   * Another daemon may own the files by now, and even closing the database would write to them. No
   * exit is quick enough: only SIGKILL runs no destructor.
   */
  #onLost(reason: string): void {
    process.stderr.write(`partyd: lost ${this.#location}: ${reason}\n`)
    process.kill(process.pid, 'SIGKILL')
  }

  #onBug(error: Error): void {
    this.#log.fatal('bug', { err: error })
    const report = new PartyError('PARTYD_CRASHED', `partyd has a bug: ${error.stack}`, {
      path: this.#location,
      pid: process.pid
    })
    this.#startChannel.report({
      event: 'error',
      exitCode: EXIT_CODES.bug,
      error: toWireError(report)
    })
    this.#endSuddenly('bug', error.stack ?? error.message)
  }

  /** Ends without a drain and without touching the database; what can be recorded is. */
  #endSuddenly(code: keyof typeof EXIT_CODES, reason: string): void {
    this.#status = 'closed'
    const exitCode = EXIT_CODES[code]
    process.stderr.write(`partyd: ${reason}\n`)
    if (this.#location !== '') this.#recordExit(exitCode, reason)
    process.exit(exitCode)
  }

  #recordExit(code: number, reason: string): void {
    const { exit } = locationFiles(this.#location)
    const at = new Date().toISOString()
    const record = { schema: 1, reason, code, at, pid: process.pid, instanceId: this.#instanceId }
    try {
      writeFileSync(exit, `${JSON.stringify(record)}\n`, { mode: 0o600 })
    } catch (error) {
      // A full disk is one of the reasons to be here.
      process.stderr.write(`partyd: cannot write ${exit}: ${(error as Error).message}\n`)
    }
  }

  async #reportStartFailure(error: unknown): Promise<void> {
    this.#endpoint?.close()
    if (error instanceof StoppedDuringStart) return
    const { pid } = error as AlreadyRunning
    if (error instanceof AlreadyRunning) this.#startChannel.report({ event: 'deferred', pid })
    else this.#reportStartError(error)
    // Losers leave the log alone; a person at the terminal is told.
    if (this.#options.mode !== 'auto') {
      process.stderr.write(`partyd: ${(error as Error).message}\n`)
    }
    this.#startChannel.close()
  }

  #reportStartError(error: unknown): void {
    const reason = error instanceof StartError ? error.error : error
    this.#startChannel.report({
      event: 'error',
      exitCode: this.#exitCodeOf(error),
      error: toWireError(reason, { path: this.#location, pid: process.pid })
    })
  }

  #exitCodeOf(error: unknown): number {
    if (error instanceof StoppedDuringStart) return EXIT_CODES.ok
    if (error instanceof AlreadyRunning) return EXIT_CODES.alreadyRunning
    return error instanceof StartError ? error.exitCode : EXIT_CODES.bug
  }

  get #logFile(): string | undefined {
    return this.#options.mode === 'auto' ? locationFiles(this.#location).log : undefined
  }

  #createLogger(location: string | undefined): Logger {
    return new Logger({
      level: this.#options.logLevel ?? 'info',
      file: location === undefined ? undefined : this.#logFile,
      base: { pid: process.pid, instanceId: this.#instanceId }
    })
  }
}

async function openRecords(database: Database, location: string): Promise<SessionRecords> {
  try {
    return await SessionRecords.open(database)
  } catch (cause) {
    if (!(cause instanceof RangeError)) {
      const { code, message } = cause as NodeJS.ErrnoException
      throw openError(location, code, message)
    }
    const message = `The session records in ${location} were written by another version of partyd: ${cause.message}`
    const details = { path: location, pid: process.pid, cause }
    throw new StartError(
      'incompatibleData',
      new PartyError('PARTYD_INCOMPATIBLE', message, details)
    )
  }
}

/** A signal came before there was anything to stop. */
class StoppedDuringStart extends Error {}

function isOlderThan(path: string, ms: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs > ms
}
