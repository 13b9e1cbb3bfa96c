// A `partyd` command whose input the test gives and whose output it may leave unread, in bytes.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { DAEMON_ENTRY } from './daemon-command.js'
import { until } from './locations.js'

export interface PipedOptions {
  /** What comes on standard input; with `open`, the test writes it. Default: nothing. */
  readonly input?: string | Buffer | 'open'
  /** Whether standard output is read as it comes. Default: true. */
  readonly isRead?: boolean
  /** What runs Node, for example `prlimit --fsize=…`. */
  readonly wrapper?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** When to end it by SIGKILL. Default: 60 s. */
  readonly timeoutMs?: number
}

export interface PipedResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export class PipedCommand {
  readonly child: ChildProcess
  readonly finished: Promise<PipedResult>
  readonly #stdout: Buffer[] = []
  stderr = ''

  constructor(args: readonly string[], options: PipedOptions = {}) {
    const { input, isRead = true, wrapper = [], env = {}, timeoutMs = 60_000 } = options
    const command = [...wrapper, process.execPath, DAEMON_ENTRY, ...args]
    this.child = spawn(command[0] as string, command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL'
    })
    const stdin = this.child.stdin as Writable
    stdin.on('error', () => {}) // It may have read enough.
    if (input !== 'open') stdin.end(input)
    if (isRead) this.read()
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString()
    })
    this.finished = once(this.child, 'close').then(([code]) => ({
      code,
      stdout: Buffer.concat(this.#stdout).toString(),
      stderr: this.stderr
    }))
  }

  /** Begins to read its standard output. */
  read(): void {
    const stdout = this.child.stdout as Readable
    stdout.on('data', (data: Buffer) => this.#stdout.push(data))
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Bytes of memory that it has needed at most so far. Linux only. */
  get peakMemory(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) * 1024
  }

  /** Stops the process once it has written that much of what is to be `target`. */
  async stopInTheMiddle(target: string, bytesMin: number): Promise<void> {
    await until(
      () => !this.isRunning || partialBytes(target) >= bytesMin,
      'the middle of it',
      30_000
    )
    this.child.kill('SIGSTOP')
    if (!this.isRunning) throw new Error(`It ended before its middle: ${this.stderr}`)
  }
}

/** What is beside `target` and not complete. */
export function findPartials(target: string): string[] {
  const prefix = `${basename(target)}.partial-`
  return readdirSync(dirname(target)).filter((name) => name.startsWith(prefix))
}

function partialBytes(target: string): number {
  const paths = findPartials(target).map((name) => join(dirname(target), name))
  return paths.reduce((sum, path) => sum + bytesOf(path), 0)
}

function bytesOf(path: string): number {
  try {
    const found = statSync(path)
    if (!found.isDirectory()) return found.size
    return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)
  } catch {
    return 0 // It has gone meanwhile.
  }
}

/** Starts commands and ends those that a test has left running. */
export class PipedCommands {
  readonly #running = new Set<PipedCommand>()

  start(args: readonly string[], options?: PipedOptions): PipedCommand {
    const command = new PipedCommand(args, options)
    this.#running.add(command)
    return command
  }

  /** Runs one to its end. */
  run(args: readonly string[], options?: PipedOptions): Promise<PipedResult> {
    return this.start(args, options).finished
  }

  async reap(): Promise<void> {
    for (const command of this.#running) {
      command.read()
      if (command.isRunning) command.child.kill('SIGKILL')
      await command.finished
    }
    this.#running.clear()
  }
}
