// The command line as a shell runs it: bytes in, bytes out, an exit code.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../../packages/daemon/bin/partyd.cjs', import.meta.url))

export interface PartydResult {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** One run of the command line. */
export class Partyd {
  readonly child: ChildProcess
  readonly finished: Promise<PartydResult>
  readonly #stdout: Buffer[] = []
  #bytes = 0
  #stderr = ''
  #wake: () => void = () => {}

  /** @param input standard input; none without. */
  constructor(args: readonly string[], input?: Buffer) {
    this.child = spawn(process.execPath, [ENTRY, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL'
    })
    this.child.stdin?.end(input)
    this.child.stdout?.on('data', (data: Buffer) => {
      this.#stdout.push(data)
      this.#bytes += data.length
      this.#wake()
    })
    this.child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString()
      this.#wake()
    })
    this.finished = once(this.child, 'close').then(([code]) => ({
      code,
      stdout: Buffer.concat(this.#stdout),
      stderr: this.#stderr
    }))
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Complete lines printed so far. */
  get lines(): string[] {
    return Buffer.concat(this.#stdout).toString().split('\n').slice(0, -1)
  }

  /** Resolves when it has printed so many bytes. */
  async printedBytes(bytes: number): Promise<void> {
    while (this.#bytes < bytes && this.isRunning) await this.#something()
  }

  /** Resolves when standard output, or standard error, fulfils the condition. */
  async printed(condition: (lines: string[], stderr: string) => boolean): Promise<void> {
    while (!condition(this.lines, this.#stderr)) {
      if (!this.isRunning) throw new Error(`It ended before it had printed that: ${this.#stderr}`)
      await this.#something()
    }
  }

  /** Resolves when it has printed something, or ended. */
  #something(): Promise<unknown> {
    const printed = new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    return Promise.race([printed, this.finished])
  }
}

/** Runs the command line for the tests of a file, and ends what still runs. */
export class PartydRuns {
  readonly #runs: Partyd[] = []

  start(args: readonly string[], input?: Buffer): Partyd {
    const run = new Partyd(args, input)
    this.#runs.push(run)
    return run
  }

  /** To its end. */
  run(args: readonly string[], input?: Buffer): Promise<PartydResult> {
    return this.start(args, input).finished
  }

  /** What it prints, provided that it succeeds. */
  async print(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args)
    if (code !== 0) throw new Error(`partyd ${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout.toString()
  }

  async end(): Promise<void> {
    for (const run of this.#runs.splice(0)) {
      if (run.isRunning) run.child.kill('SIGKILL')
      run.child.stdout?.resume()
      await run.finished
    }
  }
}
