// Starts a daemon, detached, and listens to how its start goes.

import type { ChildProcess } from 'node:child_process'
import { closeSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import {
  type DatabaseOptions,
  fromWireError,
  LIMITS,
  locationFiles,
  openOwnLog,
  PartyError,
  parseStartReport,
  type StartReport,
  TIMES,
  toDaemonArguments
} from '@partyd/shared'
import type { ResolvedOptions } from '../options.js'
import { readyChannelOf, spawnDaemonProgram } from './daemon-program.js'

/** What became of a daemon we started. */
export type LaunchResult =
  | { readonly status: 'ready'; readonly instanceId: string; readonly created: boolean }
  /** Another daemon serves: as good as ready. */
  | { readonly status: 'deferred' }
  /** It is not ready yet, and whoever started it waits no longer. */
  | { readonly status: 'pending'; readonly error: PartyError }
  /** It told why it cannot serve. */
  | { readonly status: 'failed'; readonly error: Error }
  /** It ended without a word, or could not be started. */
  | { readonly status: 'crashed'; readonly error: PartyError; readonly by: CrashCause }

/**
 * daemon: of its own doing · client: this process could not start it, which others may well · outside: a
 * signal, which says nothing about anybody.
 */
type CrashCause = 'daemon' | 'client' | 'outside'

export interface LaunchOptions
  extends Pick<
    ResolvedOptions,
    'spawn' | 'idleTimeoutMs' | 'allowNetworkFs' | 'logLevel' | 'slowOperationsMs'
  > {
  readonly database: DatabaseOptions
  /** Ends the wait, not the daemon: others may be waiting for it too. */
  readonly signal: AbortSignal
  /** The daemon is still starting and says so. */
  onProgress(message: string): void
}

/** @param location the real path of the database directory. */
export async function launchDaemon(
  location: string,
  options: LaunchOptions
): Promise<LaunchResult> {
  const log = openLog(location)
  let child: ChildProcess
  try {
    child = spawnDaemon(location, options, log)
  } finally {
    if (log !== 'ignore') closeSync(log)
  }
  try {
    return await new Launch(child, location, options).result
  } finally {
    child.unref()
    readyChannelOf(child)?.destroy()
  }
}

function spawnDaemon(
  location: string,
  { spawn: how, logLevel, slowOperationsMs, database, ...options }: LaunchOptions,
  log: number | 'ignore'
): ChildProcess {
  const args = toDaemonArguments({
    location,
    mode: 'auto',
    readyFd: 3,
    idleTimeoutMs: options.idleTimeoutMs,
    allowNetworkFs: options.allowNetworkFs,
    ...(logLevel !== undefined && { logLevel }),
    ...(slowOperationsMs !== undefined && { slowOperationsMs }),
    database
  })
  // Neither the host's terminal nor its pipes: whoever waits for them would wait for the daemon.
  return spawnDaemonProgram(args, how, ['ignore', log, log, 'pipe'])
}

/** The log takes what the daemon prints when it cannot log: without it we go on. */
function openLog(location: string): number | 'ignore' {
  try {
    return openOwnLog(locationFiles(location).log)
  } catch {
    return 'ignore'
  }
}

/** One start: the first of a final report, the daemon's end, and too long a silence. */
class Launch {
  readonly result: Promise<LaunchResult>
  readonly #child: ChildProcess
  readonly #location: string
  readonly #options: LaunchOptions
  #silence: NodeJS.Timeout | undefined
  #resolve: (result: LaunchResult) => void = () => {}

  constructor(child: ChildProcess, location: string, options: LaunchOptions) {
    this.#child = child
    this.#location = location
    this.#options = options
    this.result = new Promise((resolve) => {
      this.#resolve = resolve
    })
    const input = readyChannelOf(child)
    if (input !== undefined) createInterface({ input }).on('line', (line) => this.#onLine(line))
    child.on('error', (error) =>
      this.#crash(`could not be started: ${error.message}`, 'client', error)
    )
    // 'close' comes after the last line has been read, 'exit' may come before.
    child.on('close', (code, signal) => this.#onEnd(code, signal))
    options.signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#armSilence()
  }

  readonly #onAbort = (): void => {
    const { pid } = this.#child
    const message = `The daemon for ${this.#location} (pid ${pid}) was started but is not ready yet.`
    const error = new PartyError('PARTYD_UNRESPONSIVE', message, { path: this.#location, pid })
    this.#settle({ status: 'pending', error })
  }

  #onLine(line: string): void {
    const report = parseStartReport(line)
    if (report === undefined) return
    if (report.event === 'progress') {
      this.#armSilence()
      this.#options.onProgress(report.message)
    } else {
      this.#settle(toResult(report))
    }
  }

  #onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    const by = signal === 'SIGKILL' || signal === 'SIGTERM' ? 'outside' : 'daemon'
    this.#crash(signal === null ? `exited with code ${code}` : `was ended by ${signal}`, by)
  }

  #armSilence(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(
      () => this.#crash(`has said nothing for ${TIMES.start} ms`, 'daemon'),
      TIMES.start
    )
  }

  #crash(what: string, by: CrashCause, cause?: Error): void {
    const { log } = locationFiles(this.#location)
    const message = `The daemon for ${this.#location} ${what} before it was ready.${quoteLog(log)}`
    const { pid } = this.#child
    const error = new PartyError('PARTYD_CRASHED', message, { path: log, pid, cause })
    this.#settle({ status: 'crashed', error, by })
  }

  #settle(result: LaunchResult): void {
    clearTimeout(this.#silence)
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#resolve(result)
  }
}

function toResult(report: Exclude<StartReport, { event: 'progress' }>): LaunchResult {
  switch (report.event) {
    case 'ready':
      return { status: 'ready', instanceId: report.instanceId, created: report.created }
    case 'deferred':
      return { status: 'deferred' }
    case 'error':
      return { status: 'failed', error: fromWireError(report.error) }
  }
}

function quoteLog(path: string): string {
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    const last = lines.slice(-LIMITS.crashLogLinesMax).join('\n')
    return last === '' ? '' : ` The end of its log ${path}:\n${last}`
  } catch {
    return '' // No log could be opened.
  }
}
