// Any command run as a process of its own: its output as it comes, its end, and its whole group
// for the signals of a terminal.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

export interface CommandOptions {
  readonly cwd?: string
  /** Replaces the environment. Default: this process's. */
  readonly env?: NodeJS.ProcessEnv
  /** When to end it by SIGKILL. Default: 30 s. */
  readonly timeoutMs?: number
}

export interface CommandResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export class Command {
  readonly child: ChildProcess
  /** Settles when the process has ended and nobody holds its output open any more. */
  readonly finished: Promise<CommandResult>
  stdout = ''
  stderr = ''
  readonly #line: string
  #status: 'open' | 'closed' = 'open'

  constructor(file: string, args: readonly string[], options: CommandOptions = {}) {
    const { cwd, env = process.env, timeoutMs = 30_000 } = options
    this.#line = [file, ...args].join(' ')
    this.child = spawn(file, args, {
      cwd,
      env,
      // A group of its own, as a shell gives to each job.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL'
    })
    this.child.stdout?.on('data', (data: Buffer) => {
      this.stdout += data.toString()
    })
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString()
    })
    this.finished = once(this.child, 'close').then(([code, signal]) => {
      this.#status = 'closed'
      return { code, signal, stdout: this.stdout, stderr: this.stderr }
    })
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Complete lines printed so far. */
  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1)
  }

  /** Resolves when what has been printed fulfils the condition. */
  async printed(condition: (lines: string[]) => boolean): Promise<void> {
    while (!condition(this.lines)) {
      if (!this.isRunning) throw this.#error('ended before it had printed what was expected')
      await Promise.race([once(this.child.stdout as Readable, 'data'), this.finished])
    }
  }

  /** Sends a signal to the whole group, as a terminal does on Ctrl-C. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-(this.child.pid as number), signal)
  }

  /** Ends the process and what it has started in its group. Daemons have left the group. */
  async end(): Promise<void> {
    try {
      if (this.#status === 'open') this.signalGroup('SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // They are gone already.
    }
    await this.finished
  }

  /** The result, provided that the command succeeded. */
  async succeeded(): Promise<CommandResult> {
    const result = await this.finished
    if (result.code !== 0) throw this.#error(`ended with ${result.code ?? result.signal}`)
    return result
  }

  #error(what: string): Error {
    return new Error(`'${this.#line}' ${what}:\n${this.stdout}\n${this.stderr}`)
  }
}

/** Whether a command is there and this user may run it. */
export function canRun(file: string, ...args: string[]): Promise<boolean> {
  return new Command(file, args, { timeoutMs: 5_000 }).finished.then(
    ({ code }) => code === 0,
    () => false
  )
}
