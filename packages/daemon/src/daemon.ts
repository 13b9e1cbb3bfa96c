// The life of a daemon, from its first line to its last: a list of steps, undone in reverse.

import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isatty } from 'node:tty'
import {
  type Configuration,
  type DaemonArguments,
  EXIT_CODES,
  type GoodbyeReason,
  locationFiles,
  type PartyError,
  resolveDatabaseOptions,
  resolveLocation,
  TIMES
} from '@partyd/shared'
import { drain } from './end/drain.js'
import { Fence } from './end/fence.js'
import { IdleWatch } from './end/idle-watch.js'
import { Succession } from './end/succession.js'
import { endAfterBug, endAfterFailedWrite, endAfterLoss, type Remains } from './end/sudden-end.js'
import { Logger } from './log/logger.js'
import { SlowOperations } from './log/slow-operations.js'
import { warnOnFailure } from './log/warn-on-failure.js'
import { OwnPackage } from './own-package.js'
import { PACKAGE_VERSION } from './package-version.js'
import { SelfDescription } from './self-description.js'
import { inspectListenFd, type ListeningSocket, takeListenFd } from './service/listen-fds.js'
import { Notifier } from './service/notify.js'
import { endTakeover } from './service/takeover.js'
import type { StopRequester } from './session/connection.js'
import type { Connections } from './session/connections.js'
import { loadGuests } from './session/guest-connection.js'
import { changeSettings, readSettings, type Settings } from './settings.js'
import { Signals } from './signals.js'
import type { Claim } from './start/claim.js'
import { type Published, publish } from './start/publish.js'
import { StartChannel } from './start/start-channel.js'
import { StartError } from './start/start-error.js'
import { reportStartFailure } from './start/start-failure.js'
import { takeLead } from './start/take-lead.js'
import type { Database } from './store/database.js'

/** How long after READY the parts that were left out to be quick are loaded. */
const LOAD_REST_MS = 500

/** Serves a location until it is told to stop, then ends the process. */
export async function serve(options: DaemonArguments): Promise<never> {
  const exitCode = await new Daemon(options).run()
  process.exit(exitCode)
}

class Daemon {
  readonly #options: DaemonArguments
  readonly #signals: Signals
  readonly #description: SelfDescription
  readonly #package = new OwnPackage()
  readonly #startChannel: StartChannel
  readonly #notifier: Notifier
  /** parking: idle and on the way out, unless a client comes. */
  #status: 'starting' | 'serving' | 'parking' | 'draining' | 'closed' = 'starting'
  #location = ''
  /** The socket that the service manager has handed over, if so. */
  #listening: ListeningSocket | undefined
  #log: Logger
  readonly #slowOperations: SlowOperations
  #resolveExit: (exitCode: number) => void = () => {}
  readonly #exit: Promise<number>

  // What serving needs, in the order it comes to be.
  #published: Published | undefined
  #succession: Succession | undefined
  #fence: Fence | undefined
  #idleWatch: IdleWatch | undefined
  readonly #stopRequests: StopRequester[] = []
  /** Whether it is in the log that somebody has come. */
  #hadClient = false
  /** How often it has been on the way out for want of clients. */
  #parkings = 0

  constructor(options: DaemonArguments) {
    this.#options = options
    // Handlers come first: a signal that arrives during a slow start must not be lost.
    this.#signals = new Signals(
      {
        onStop: (name) => this.#onStopSignal(name),
        onReopenLog: () => this.#reopenLog(),
        onDump: () => this.#log.info('status', this.#describeStatus())
      },
      // Asked now: a terminal that has hung up is none any more.
      options.mode === 'foreground' && isatty(0)
    )
    this.#description = new SelfDescription(options.mode)
    this.#startChannel = new StartChannel(options.readyFd)
    this.#notifier = new Notifier({
      mode: options.mode,
      environment: process.env,
      onFailure: (message) => this.#log.warn(message)
    })
    this.#log = this.#createLogger(undefined)
    this.#slowOperations = new SlowOperations(
      options.slowOperationsMs ?? TIMES.slowOperation,
      (operation) => this.#log.warn('slow operation', operation)
    )
    this.#exit = new Promise((resolve) => {
      this.#resolveExit = resolve
    })
  }

  /** @returns the process's exit code. */
  async run(): Promise<number> {
    process.on('uncaughtException', (error) => endAfterBug(error, this.#remains))
    process.umask(0o077)
    try {
      await this.#start()
    } catch (error) {
      if (this.#location !== '') endTakeover(this.#location)
      return reportStartFailure(error, {
        location: this.#location,
        mode: this.#options.mode,
        startChannel: this.#startChannel
      })
    }
    return this.#exit
  }

  async #start(): Promise<void> {
    const listenFd = takeListenFd(process.env)
    this.#location = this.#resolveLocation()
    process.title = `partyd ${this.#location}`
    this.#log = this.#createLogger(this.#location)
    const { mode } = this.#options
    this.#log.info(`starting partyd ${PACKAGE_VERSION}`, { mode, node: process.version })
    process.chdir('/')
    if (listenFd !== undefined) this.#listening = inspectListenFd(listenFd, this.#location)
    const claimed = await this.#takeLead()
    try {
      this.#published = await this.#publish(claimed.database)
    } catch (error) {
      await claimed.database.close()
      throw error
    }
    this.#succession = new Succession(this.#published.engine.sessions.isInherited)
    this.#status = 'serving'
    this.#announce(this.#published, claimed.created)
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

  #takeLead(): Promise<Claim> {
    return takeLead({
      location: this.#location,
      arguments: this.#options,
      listening: this.#listening,
      signal: this.#signals.stop,
      log: this.#log,
      startChannel: this.#startChannel,
      notifier: this.#notifier
    })
  }

  #publish(database: Database): Promise<Published> {
    return publish(database, {
      location: this.#location,
      databaseOptions: this.#options.database,
      listening: this.#listening,
      description: this.#description,
      log: this.#log,
      logFile: this.#logFile,
      slowOperations: this.#slowOperations,
      signal: this.#signals.stop,
      owner: {
        isServing: () => this.#status === 'serving',
        welcomeClient: () => this.#welcomeClient(),
        describeStatus: () => this.#describeStatus(),
        configure: (configuration) => this.#configure(configuration),
        onClientChange: () => this.#onClientChange(),
        onStopRequest: (requester) => {
          this.#stopRequests.push(requester)
          void this.#stop('stop')
        },
        onWriteFailed: (error) => endAfterFailedWrite(error, this.#remains)
      }
    })
  }

  #announce(published: Published, created: boolean): void {
    const { path: endpoint } = published.endpoint
    const { pid, instanceId } = this.#description.identity
    this.#startChannel.report({ event: 'ready', pid, instanceId, endpoint, created })
    this.#startChannel.close()
    this.#notifier.ready(`serving ${this.#location}`)
    endTakeover(this.#location)
    const { exit, failed } = locationFiles(this.#location)
    for (const path of [exit, failed]) {
      warnOnFailure(this.#log, () => rmSync(path, { force: true }))
    }
    this.#log.info(`serving ${this.#location}`, { endpoint, mode: this.#options.mode })
    this.#armFence(published)
    const { mode, idleTimeoutMs } = this.#options
    const defaultMs = mode === 'auto' ? TIMES.idle : Number.POSITIVE_INFINITY
    this.#idleWatch = new IdleWatch(idleTimeoutMs ?? defaultMs, () => void this.#stop('idle'))
    // A time that somebody has typed is meant, but none at all leaves nobody the time to come.
    if (mode === 'auto' || idleTimeoutMs === 0) this.#idleWatch.awaitFirstClient()
    else this.#onClientChange()
    // A spawned daemon has clients waiting; a person waits for the log.
    setTimeout(() => void this.#loadRest(), mode === 'auto' ? LOAD_REST_MS : 0).unref()
  }

  #armFence({ endpoint, credential }: Published): void {
    const intervalMs = this.#options.fenceIntervalMs ?? TIMES.fence
    this.#fence = new Fence(this.#location, endpoint, intervalMs, {
      onEndpointMissing: () => {
        // While parking, we are the ones who took it away.
        if (this.#status !== 'serving') return
        this.#log.warn(`${endpoint.path} was removed; publishing it again`)
        endpoint.republish().catch((error: Error) => this.#log.warn(error.message))
      },
      // Others may have been given the right to write to the location.
      onSound: () => warnOnFailure(this.#log, () => credential.protect(endpoint.path)),
      onLost: (reason) => endAfterLoss(reason, this.#remains)
    })
  }

  /** Loads what may be needed later, while the files are still there (an npx cache may vanish). */
  async #loadRest(): Promise<void> {
    await this.#log.load()
    await loadGuests().catch((error: Error) =>
      this.#log.warn(`cannot serve many-level guests: ${error.message}`)
    )
  }

  #onClientChange(): void {
    if (this.#published === undefined) return
    const { connections } = this.#published
    if (!this.#hadClient && connections.clientCount > 0) this.#onFirstClient(connections)
    if (this.#package.isReplaced) this.#idleWatch?.endWithLastClient()
    this.#idleWatch?.update(connections.clientCount, connections.silentCount)
  }

  #onFirstClient(connections: Connections): void {
    this.#hadClient = true
    const [client] = connections.describeClients()
    this.#log.info('the first client has come', { client })
  }

  #configure(configuration: Configuration): Configuration {
    const changed = changeSettings(this.#settings, configuration)
    this.#onClientChange() // The idle time may be another one.
    return changed
  }

  get #settings(): Settings {
    return {
      log: this.#log,
      slowOperations: this.#slowOperations,
      idleWatch: this.#idleWatch
    }
  }

  #describeStatus(): object {
    const { endpoint, connections, engine } = this.#published ?? {}
    return this.#description.describeStatus({
      status: this.#status,
      location: this.#location,
      endpoint: endpoint?.path,
      clients: connections?.clientCount,
      connections: connections?.describeClients(),
      ...readSettings(this.#settings),
      idleEndsInMs: this.#idleWatch?.endsInMs,
      uptimeMs: Math.round(process.uptime() * 1000),
      options: resolveDatabaseOptions(this.#options.database),
      allowNetworkFs: this.#options.allowNetworkFs === true,
      counters: { clients: connections?.clientCount, ...engine?.counters },
      fault: engine?.faults.last,
      log: this.#logFile,
      logFailure: this.#log.failure
    })
  }

  #reopenLog(): void {
    this.#log.reopen()
    this.#log.info('received SIGHUP: the log is open again')
  }

  // The end

  #onStopSignal(name: string): void {
    this.#log.info(`received ${name}`)
    void this.#stop('signal')
  }

  /** Not before the clients of a daemon that was killed have had the time to come. */
  async #stop(reason: GoodbyeReason): Promise<void> {
    const { remainingMs = 0 } = this.#succession ?? {}
    if (remainingMs > 0)
      this.#log.info('stopping later: clients may be on their way', { remainingMs })
    await this.#succession?.over(this.#signals.hurry)
    if (reason === 'idle' && this.#isInUse) return
    await this.#drain(reason)
  }

  get #isInUse(): boolean {
    const { clientCount = 0, silentCount = 0 } = this.#published?.connections ?? {}
    return clientCount + silentCount > 0
  }

  /** Lets the clients finish and gives everything back; an idle daemon first makes sure that it is. */
  async #drain(reason: GoodbyeReason): Promise<void> {
    if (this.#status !== 'serving' || this.#published === undefined) return
    const { engine, connections, endpoint } = this.#published
    this.#status = reason === 'idle' ? 'parking' : 'draining'
    warnOnFailure(this.#log, () => endpoint.unpublish())
    if (reason === 'idle') this.#log.info(`idle for ${this.#idleWatch?.timeoutMs} ms`)
    if (reason === 'idle' && (await this.#isNeededAfterAll())) return
    this.#fence?.stop()
    this.#idleWatch?.stop()
    this.#notifier.stopping(`stopping: ${reason}`)
    await drain({
      location: this.#location,
      reason,
      engine,
      connections,
      endpoint,
      log: this.#log,
      hurry: this.#signals.hurry
    })
    this.#status = 'closed'
    for (const requester of this.#stopRequests) requester.answerStop()
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
    if (this.#status === 'parking' && !this.#isToStop) this.#stay()
    return this.#status === 'serving'
  }

  /** Whether somebody has asked for its end, and not only nobody for it. */
  get #isToStop(): boolean {
    return this.#signals.stop.aborted || this.#stopRequests.length > 0
  }

  #stay(): void {
    // Where the socket cannot be put back, the fence sees that it is missing.
    warnOnFailure(this.#log, () => this.#published?.endpoint.publish())
    this.#status = 'serving'
    this.#log.info('a client came: staying')
    this.#onClientChange()
  }

  get #remains(): Remains {
    return {
      location: this.#location,
      instanceId: this.#description.instanceId,
      log: this.#log,
      startChannel: this.#startChannel,
      endpoint: this.#published?.endpoint,
      connections: this.#published?.connections
    }
  }

  get #logFile(): string | undefined {
    return this.#options.mode === 'auto' ? locationFiles(this.#location).log : undefined
  }

  #createLogger(location: string | undefined): Logger {
    return new Logger({
      level: this.#options.logLevel ?? 'info',
      file: location === undefined ? undefined : this.#logFile,
      base: { pid: process.pid, instanceId: this.#description.instanceId }
    })
  }
}
