// Real daemons for a test file: started in fresh locations, and all of them gone after each test.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseStartReport } from '@partyd/shared'
import { expect } from 'vitest'
import { RawClient } from './raw-client.js'

const ENTRY = fileURLToPath(new URL('../../packages/daemon/bin/partyd.cjs', import.meta.url))

export class DaemonProcess {
  readonly location: string
  readonly endpoint: string
  readonly instanceId: string
  readonly child: ChildProcess
  readonly #complaints: readonly Buffer[]

  constructor(
    location: string,
    child: ChildProcess,
    { endpoint, instanceId }: { endpoint: string; instanceId: string },
    complaints: readonly Buffer[]
  ) {
    this.location = location
    this.child = child
    this.endpoint = endpoint
    this.instanceId = instanceId
    this.#complaints = complaints
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Megabytes of memory that are the daemon's own and not a file's. Linux only. */
  get memoryMegabytes(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8')
    return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) / 1024
  }

  /** What it wrote to standard error: why it ended, if it did. */
  get complaints(): string {
    return Buffer.concat(this.#complaints).toString()
  }
}

export class DaemonPool {
  readonly #children: ChildProcess[] = []
  readonly #locations: string[] = []

  /** Starts a daemon in a new location and waits until it serves. */
  async start(): Promise<DaemonProcess> {
    const location = mkdtempSync(join(tmpdir(), 'partyd-test-'))
    this.#locations.push(location)
    const args = ['serve', location, '--auto', '--ready-fd', '3', '--idle-timeout', '5000']
    const child = spawn(process.execPath, [ENTRY, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe']
    })
    this.#children.push(child)
    const complaints: Buffer[] = []
    child.stderr?.on('data', (chunk: Buffer) => complaints.push(chunk))
    const lines = createInterface({ input: child.stdio[3] as Readable })
    for await (const line of lines) {
      const report = parseStartReport(line)
      if (report?.event === 'ready') {
        return new DaemonProcess(location, child, report, complaints)
      }
      if (report?.event === 'error') throw new Error(`The daemon did not start: ${line}`)
    }
    throw new Error('The daemon ended before it was ready')
  }

  /** Ends every daemon of this pool, by its own id, and removes what it left. */
  async reap(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    for (const location of this.#locations.splice(0)) {
      rmSync(location, { recursive: true, force: true })
    }
  }
}

/** A proper client comes, is served by that very daemon, and leaves. */
export async function expectServing(daemon: DaemonProcess): Promise<void> {
  expect(daemon.isRunning, `the daemon has ended: ${daemon.complaints}`).toBe(true)
  const client = await RawClient.connect(daemon.endpoint)
  const welcome = await client.greet()
  expect(welcome.instanceId).toBe(daemon.instanceId)
  await client.put('proper', 'value')
  expect(await client.get('proper')).toEqual(Buffer.from('value'))
  await client.settle()
}
