// Small programs that use the SDK, run as processes of their own.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  /** Milliseconds from start to end. */
  readonly ms: number
}

export interface ProgramOptions {
  /** What the program finds in `process.argv` behind its name. */
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number
  readonly nodeArgs?: readonly string[]
  /** When to end it by SIGKILL. Default: 30 s. */
  readonly timeoutMs?: number
}

/** Bare imports in a program are resolved as this package would. */
const HERE = fileURLToPath(new URL('..', import.meta.url))

/** A running ES module given as source text; `PartyLevel` and `location` (the first argument) are in scope. */
export class Program {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  stdout = ''
  stderr = ''

  constructor(source: string, options: ProgramOptions = {}) {
    const { args = [], env = {}, uid, nodeArgs = [], timeoutMs = 30_000 } = options
    const text = `import { PartyLevel } from '@partyd/client'\nconst location = process.argv[1]\n${source}`
    const startedAt = Date.now()
    this.child = spawn(
      process.execPath,
      [...nodeArgs, '--input-type=module', '--eval', text, '--', ...args],
      {
        cwd: HERE,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        ...(uid !== undefined && { uid, gid: uid })
      }
    )
    this.child.stdout?.on('data', (data: Buffer) => {
      this.stdout += data.toString()
    })
    this.child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString()
    })
    this.finished = once(this.child, 'close').then(([code, signal]) => ({
      code,
      signal,
      stdout: this.stdout,
      stderr: this.stderr,
      ms: Date.now() - startedAt
    }))
  }

  /** Resolves when the program has printed that text. */
  async printed(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`The program ended before it printed '${text}': ${this.stderr}`)
      }
      await Promise.race([
        once(this.child.stdout as NodeJS.ReadableStream, 'data'),
        once(this.child, 'exit')
      ])
    }
  }
}

/** Runs a program to its end. */
export function run(source: string, options?: ProgramOptions): Promise<Finished> {
  return new Program(source, options).finished
}
