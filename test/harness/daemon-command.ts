// The `partyd` command as a process of the test's own: what it prints, what it reports on its
// ready descriptor, and how it ends.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseStartReport, type StartReport } from '@partyd/shared'
import { until } from './locations.js'

export const DAEMON_ENTRY: string = fileURLToPath(
  new URL('../../packages/daemon/bin/partyd.cjs', import.meta.url)
)

export interface DaemonCommandOptions {
  /** What runs Node, for example `prlimit --fsize=…`. */
  readonly wrapper?: readonly string[]
  /** What Node runs. Default: the built executable. */
  readonly entry?: string
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number
  readonly umask?: number
  /** When to end it by SIGKILL. Default: 60 s. */
  readonly timeoutMs?: number
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

type ReportOf<E extends StartReport['event']> = Extract<StartReport, { event: E }>

export class DaemonCommand {
  readonly child: ChildProcess
  /** Everything reported on descriptor 3, in order. */
  readonly reports: StartReport[] = []
  /** Settles when the process has ended and everything it printed has been read. */
  readonly ended: Promise<Ended>
  stdout = ''
  stderr = ''

  /** @param args what follows `partyd`; `--ready-fd 3` is not added. */
  constructor(args: readonly string[], options: DaemonCommandOptions = {}) {
    const { wrapper = [], entry = DAEMON_ENTRY, env = {}, uid, umask, timeoutMs = 60_000 } = options
    const command = [...wrapper, process.execPath, entry, ...args]
    const umaskBefore = umask === undefined ? undefined : process.umask(umask)
    this.child = spawn(command[0] as string, command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(uid !== undefined && { uid, gid: uid })
    })
    if (umaskBefore !== undefined) process.umask(umaskBefore)
    this.child.stdout?.on('data', (data: Buffer) => {
      this.stdout += data.toString()
    })
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString()
    })
    createInterface({ input: this.child.stdio[3] as Readable }).on('line', (line) => {
      const report = parseStartReport(line)
      if (report !== undefined) this.reports.push(report)
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
  }

  get pid(): number {
    return this.child.pid as number
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** The records it has logged to standard output, each of them a JSON object. */
  get logRecords(): Record<string, unknown>[] {
    return this.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** The first report of that kind; needs `--ready-fd 3`. */
  async reported<E extends StartReport['event']>(event: E): Promise<ReportOf<E>> {
    const find = (): StartReport | undefined =>
      this.reports.find((report) => report.event === event)
    await until(() => find() !== undefined || !this.isRunning, `the report '${event}'`)
    const report = find()
    if (report !== undefined) return report as ReportOf<E>
    throw new Error(`The daemon ended before it reported '${event}': ${this.stderr}`)
  }

  /** Resolves when standard output has that text. */
  async logged(text: string): Promise<void> {
    await until(() => this.stdout.includes(text) || !this.isRunning, `'${text}' in the log`)
    if (!this.stdout.includes(text)) {
      throw new Error(`The daemon ended before it logged '${text}': ${this.stderr}`)
    }
  }
}

/** What a command has answered. */
export interface Asked {
  readonly code: number | null
  readonly answer: Record<string, unknown>
  readonly stderr: string
}

/** Starts daemons and ends those that a test has left running. */
export class DaemonCommands {
  readonly #running = new Set<DaemonCommand>()

  start(args: readonly string[], options?: DaemonCommandOptions): DaemonCommand {
    const command = new DaemonCommand(args, options)
    this.#running.add(command)
    return command
  }

  /** Runs one with `--json` to its end; `answer` is what it printed, if that is one object. */
  async ask(args: readonly string[], options?: DaemonCommandOptions): Promise<Asked> {
    const command = this.start([...args, '--json'], options)
    const { code } = await command.ended
    const { stdout, stderr } = command
    return { code, answer: stdout === '' ? {} : JSON.parse(stdout), stderr }
  }

  /** Starts one that reports, and resolves once it serves. */
  async serve(
    location: string,
    args: readonly string[] = [],
    options?: DaemonCommandOptions
  ): Promise<DaemonCommand> {
    const command = this.start(['serve', location, '--ready-fd', '3', ...args], options)
    await command.reported('ready')
    return command
  }

  async reap(): Promise<void> {
    // Taken out first: one that could not be started fails its own test, not those behind it.
    const commands = [...this.#running]
    this.#running.clear()
    for (const command of commands) {
      if (command.isRunning) command.child.kill('SIGKILL')
      await command.ended
    }
  }
}
