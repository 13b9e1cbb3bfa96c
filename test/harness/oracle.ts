// What the daemons of one location did, written down by themselves in one file, and what must be
// true of it whatever happened: one owner at a time, no acknowledged write lost, nothing left.

import { appendFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'
import { expect } from 'vitest'
import { readWithClassicLevel } from './foreign-process.js'
import { findDaemons, isAlive, until } from './locations.js'

const HOOK = new URL('./daemon-hook.js', import.meta.url).href

/** What is done to a daemon, besides writing down what it does. */
export interface DaemonHooks {
  /** Opening the database takes that much longer. */
  readonly openMs?: number
  /** Nothing happens for so long once the database is open, and LevelDB's lock taken. */
  readonly openedMs?: number
  /** Closing the database takes that much longer. */
  readonly closeMs?: number
  /** Nothing is handled for so long before the socket is taken from its public name … */
  readonly beforeParkMs?: number
  /** … and for so long after it was. */
  readonly afterParkMs?: number
  /**
   * What SIGUSR2 does. dropLock: loses LevelDB's lock as POSIX does · endLate: servers are closed,
   * and the process ends, only now.
   */
  readonly onSignal?: 'block' | 'dropLock' | 'endLate'
  readonly blockMs?: number
}

type OracleEventName =
  | 'boot'
  | 'opening'
  | 'open'
  | 'publish'
  | 'endpoint'
  | 'parking'
  | 'parked'
  | 'closing'
  | 'close'
  | 'lingering'
  | 'signal'
  | 'handled'
  | 'fence'
  | 'exit'
  | 'kill'

export interface OracleEvent {
  readonly pid: number
  readonly ev: OracleEventName
  /** Milliseconds of a clock that all processes share; see {@link now}. */
  readonly t: number
  readonly instanceId?: string
  readonly code?: number
}

/** The clock of the events. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** How a client is to spawn daemons, as `PartyLevel` takes it. */
export interface HookedSpawn {
  readonly args: string[]
  readonly env: Record<string, string>
}

export class Oracle {
  readonly location: string
  readonly #file: string

  /** @param directory of the test; the location is made below it by whoever opens it first. */
  constructor(directory: string) {
    this.location = join(directory, 'db')
    this.#file = join(directory, 'oracle.jsonl')
  }

  /** The option `spawn`; every daemon of the location must be started with it. */
  spawn(hooks: DaemonHooks = {}): HookedSpawn {
    const config = JSON.stringify({ oracle: this.#file, ...hooks })
    return { args: ['--import', HOOK], env: { PARTYD_TEST_DAEMON_HOOK: config } }
  }

  /** The same for a daemon that a test starts by its command. */
  env(hooks?: DaemonHooks): NodeJS.ProcessEnv {
    const { args, env } = this.spawn(hooks)
    return { ...env, NODE_OPTIONS: args.join(' ') }
  }

  get events(): OracleEvent[] {
    if (!existsSync(this.#file)) return []
    const lines = readFileSync(this.#file, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as OracleEvent)
  }

  all(ev: OracleEventName): OracleEvent[] {
    return this.events.filter((event) => event.ev === ev)
  }

  count(ev: OracleEventName): number {
    return this.all(ev).length
  }

  /** Resolves when that has happened so often; with the last of it. */
  async happened(ev: OracleEventName, times = 1, ms = 15_000): Promise<OracleEvent> {
    await until(() => this.count(ev) >= times, `event '${ev}', ${times} times`, ms)
    return this.all(ev)[times - 1] as OracleEvent
  }

  /** The daemon that has the database open. */
  get owner(): number | undefined {
    return this.#follow().owner
  }

  /** Ends a daemon as a crash does. The event comes first: from then on it may be gone. */
  async kill(pid: number): Promise<void> {
    this.#append({ pid, ev: 'kill', t: now() })
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid), `the end of process ${pid}`)
  }

  /** The most daemons that were there at one time, those included that found another and left. */
  get peakDaemons(): number {
    const alive = new Set<number>()
    let peak = 0
    for (const { pid, ev } of this.events) {
      if (ev === 'boot') alive.add(pid)
      if (ev === 'exit' || ev === 'kill' || ev === 'fence') alive.delete(pid)
      peak = Math.max(peak, alive.size)
    }
    return peak
  }

  /** When a daemon opened or published what another one had open. */
  get faults(): readonly string[] {
    return this.#follow().faults
  }

  #follow(): { owner: number | undefined; faults: string[] } {
    const faults: string[] = []
    const gone = new Set<number>()
    let owner: number | undefined
    for (const { pid, ev, t } of this.events) {
      // A daemon that is killed may write one more line between the event and the signal.
      if (gone.has(pid)) continue
      if (ev === 'open') {
        if (owner !== undefined) faults.push(`${pid} opened at ${t} what ${owner} had open`)
        owner = pid
      }
      const isPublication = ev === 'publish' || ev === 'endpoint'
      if (isPublication && owner !== pid) faults.push(`${pid} published at ${t} without owning`)
      if (ev === 'kill' || ev === 'exit' || ev === 'fence') gone.add(pid)
      if (owner === pid && (ev === 'close' || gone.has(pid))) owner = undefined
    }
    return { owner, faults }
  }

  /**
   * Stops the daemon, and expects that no two ever had the database, that the database holds the
   * acknowledged writes and no others, and that no process and no file of partyd's is left.
   * @param mayOverlap the test itself had two daemons open the location.
   */
  async expectCleanEnd(
    acknowledged: ReadonlyMap<string, string>,
    { mayOverlap = false } = {}
  ): Promise<void> {
    await PartyLevel.stop(this.location)
    await until(() => findDaemons(this.location).length === 0, 'the daemons to end')
    if (!mayOverlap) expect(this.faults).toEqual([])
    const left = readdirSync(this.location).filter((name) => /^\.|^partyd\./.test(name))
    expect(left.filter((name) => !/^partyd\.log(\.1)?$/.test(name))).toEqual([])
    const entries = new Map(await readWithClassicLevel(this.location))
    const lost = [...acknowledged].filter(([key, value]) => entries.get(key) !== value)
    expect(lost).toEqual([])
    expect([...entries.keys()].filter((key) => !acknowledged.has(key))).toEqual([])
  }

  #append(event: OracleEvent): void {
    appendFileSync(this.#file, `${JSON.stringify(event)}\n`)
  }
}

/** Arguments and environment for `Program` that change what a client can do. */
export function hookClient(config: {
  /** What making the spawn lock fails with. */
  readonly mkdirError?: string
  /** The first removal of an abandoned spawn lock prints 'parked' and waits for SIGUSR2. */
  readonly parkRmdir?: boolean
  /** hang: prints 'about to spawn' and stops there · die: ends itself right after spawning. */
  readonly spawn?: 'hang' | 'die'
}): { nodeArgs: string[]; env: NodeJS.ProcessEnv } {
  return {
    nodeArgs: ['--import', fileURLToPath(new URL('./client-hook.js', import.meta.url))],
    env: { PARTYD_TEST_CLIENT_HOOK: JSON.stringify(config) }
  }
}
