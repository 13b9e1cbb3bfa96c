// A service and the daemons that clients start, on one location: the service takes over, clients
// leave it the time to be started again, and nobody's operation fails of it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PartyLevel } from '@partyd/client'
import { readRendezvous, TIMES } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { systemdService } from '../../packages/daemon/dist/commands/service/systemd.js'
import { DAEMON_ENTRY, type DaemonCommand } from '../harness/daemon-command.js'
import { hasProgram } from '../harness/has-program.js'
import { NotifySocket } from '../harness/notify-socket.js'
import { type DaemonHooks, now, Oracle } from '../harness/oracle.js'
import { setUp } from '../harness/set-up.js'
import { canFilter, underFilter } from '../harness/system-call-filter.js'

const { clients, commands, locations } = setUp()

/** Clients that write and read all the time; each failure is one too many. */
class Load {
  readonly acknowledged = new Map<string, string>()
  readonly #databases: PartyLevel<string, string>[]
  readonly #failures: unknown[] = []
  readonly #loops: Promise<void>[]
  #status: 'running' | 'ending' = 'running'

  constructor(databases: PartyLevel<string, string>[]) {
    this.#databases = databases
    this.#loops = databases.map((db, index) => this.#run(db, index))
  }

  async #run(db: PartyLevel<string, string>, index: number): Promise<void> {
    for (let round = 0; this.#status === 'running'; round++) {
      const key = `${index} ${round % 50}`
      try {
        await db.put(key, `${round}`)
        this.acknowledged.set(key, `${round}`)
        expect(await db.get(key)).toBe(`${round}`)
      } catch (error) {
        this.#failures.push(error)
        return
      }
    }
  }

  /** Resolves when each client has got on since now. */
  async progresses(): Promise<void> {
    const markers = this.#databases.map(async (db, index) => {
      const key = `marker ${index}`
      await db.put(key, 'x')
      this.acknowledged.set(key, 'x')
    })
    await Promise.all(markers)
    expect(this.#failures).toEqual([])
  }

  async end(): Promise<void> {
    this.#status = 'ending'
    await Promise.all(this.#loops)
    expect(this.#failures).toEqual([])
    await Promise.all(this.#databases.map((db) => db.close()))
  }
}

function putLoadOn(oracle: Oracle, count: number): Load {
  return new Load(
    Array.from({ length: count }, () => clients.open(oracle.location, { spawn: oracle.spawn() }))
  )
}

function startDaemon(
  oracle: Oracle,
  args: readonly string[] = ['--service'],
  hooks: DaemonHooks = {}
): DaemonCommand {
  const env = oracle.env(hooks)
  return commands.start(['serve', oracle.location, '--ready-fd', '3', ...args], { env })
}

/** Pids in the order in which they published. */
function publishers(oracle: Oracle): number[] {
  return oracle.all('publish').map(({ pid }) => pid)
}

/**
 * Expects that each daemon which a client started was started when nobody had had the database for
 * as long as a manager is given: on a busy machine the next service may take longer.
 */
function expectGraceGiven(oracle: Oracle, services: readonly DaemonCommand[]): void {
  const pids = services.map(({ pid }) => pid)
  let freedAt = Number.POSITIVE_INFINITY
  for (const { ev, pid, t } of oracle.events) {
    if (ev === 'open') freedAt = Number.POSITIVE_INFINITY
    if (ev === 'close' || ev === 'kill') freedAt = t
    const isOfClient = ev === 'boot' && !pids.includes(pid)
    if (isOfClient) expect(t - freedAt).toBeGreaterThan(TIMES.serviceRestart)
  }
}

// 33
describe('a daemon that is started on purpose while one that a client started serves', () => {
  it.each([
    ['a service', ['--service']],
    ['a foreground daemon', []]
  ])('%s takes over, and no operation fails', async (_, args) => {
    const oracle = new Oracle(locations.create())
    const load = putLoadOn(oracle, 5)
    await load.progresses()
    expect(readRendezvous(oracle.location)?.mode).toBe('auto')
    const startedAt = now()
    const service = startDaemon(oracle, args)
    await service.reported('ready')
    await load.progresses()
    console.log(`took over, and served everybody, after ${Math.round(now() - startedAt)} ms`)
    expect(readRendezvous(oracle.location)?.pid).toBe(service.pid)
    // Nobody had the location between the two.
    expect(publishers(oracle).length).toBe(2)
    expect(publishers(oracle)[1]).toBe(service.pid)
    await load.end()
    await oracle.expectCleanEnd(load.acknowledged)
  })

  it('has it after one drain although many clients want a daemon at that moment', {
    timeout: 120_000
  }, async () => {
    const oracle = new Oracle(locations.create())
    const ROUNDS = 3
    for (let round = 0; round < ROUNDS; round++) {
      const load = putLoadOn(oracle, 6)
      await load.progresses()
      const before = publishers(oracle).length
      const service = startDaemon(oracle)
      await service.reported('ready')
      await load.progresses()
      expect(publishers(oracle).slice(before)).toEqual([service.pid])
      await load.end()
      service.child.kill('SIGTERM')
      await service.ended
    }
    expect(oracle.faults).toEqual([])
  })

  it('keeps nobody away when it is told to stop meanwhile', async () => {
    const oracle = new Oracle(locations.create())
    const first = clients.open(oracle.location, { spawn: oracle.spawn({ closeMs: 1_500 }) })
    await first.put('a', '1')
    const service = startDaemon(oracle)
    await oracle.happened('closing')
    service.child.kill('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    await first.put('b', '2')
    expect(readRendezvous(oracle.location)?.mode).toBe('auto')
    await first.close()
  })
})

describe('a service that serves', () => {
  it('is never displaced: others end with code 20, and a second service waits its turn', async () => {
    const oracle = new Oracle(locations.create())
    const service = startDaemon(oracle)
    await service.reported('ready')
    const load = putLoadOn(oracle, 3)
    await load.progresses()
    for (const args of [['--auto'], []]) {
      const other = startDaemon(oracle, args)
      expect(await other.reported('deferred')).toMatchObject({ pid: service.pid })
      expect(await other.ended).toEqual({ code: 20, signal: null })
    }
    const second = startDaemon(oracle)
    await second.reported('progress')
    await sleep(1_000)
    expect(second.isRunning).toBe(true)
    await load.progresses()
    expect(publishers(oracle)).toEqual([service.pid])
    service.child.kill('SIGTERM')
    await second.reported('ready')
    await load.progresses()
    expect(publishers(oracle)).toEqual([service.pid, second.pid])
    await load.end()
    await oracle.expectCleanEnd(load.acknowledged)
  })

  it('is waited for after it was killed, and goes on where it was', async () => {
    const oracle = new Oracle(locations.create())
    const service = startDaemon(oracle)
    await service.reported('ready')
    const load = putLoadOn(oracle, 5)
    await load.progresses()
    await oracle.kill(service.pid)
    const killedAt = now()
    // A client that has never seen it knows by partyd.json.
    const late = clients.open(oracle.location, { spawn: oracle.spawn() })
    const reading = late.get('never written')
    await sleep(TIMES.serviceRestart / 6)
    const next = startDaemon(oracle)
    await next.reported('ready')
    await load.progresses()
    await reading
    console.log(`went on ${Math.round(now() - killedAt)} ms after it was killed`)
    expect(publishers(oracle).at(-1)).toBe(next.pid)
    expectGraceGiven(oracle, [service, next])
    await late.close()
    await load.end()
    await oracle.expectCleanEnd(load.acknowledged)
  })

  it('is replaced by a client’s daemon when nobody starts it again, until somebody does', async () => {
    const oracle = new Oracle(locations.create())
    const service = startDaemon(oracle)
    await service.reported('ready')
    const load = putLoadOn(oracle, 3)
    await load.progresses()
    await oracle.kill(service.pid)
    const killedAt = now()
    const boot = await oracle.happened('boot', 2)
    expect(boot.t - killedAt).toBeGreaterThan(TIMES.serviceRestart)
    const { t } = await oracle.happened('publish', 2)
    console.log(`a client’s daemon served ${Math.round(t - killedAt)} ms after the service’s death`)
    await load.progresses()
    const next = startDaemon(oracle)
    await next.reported('ready')
    await load.progresses()
    expect(publishers(oracle).length).toBe(3)
    expect(publishers(oracle)[2]).toBe(next.pid)
    await load.end()
    await oracle.expectCleanEnd(load.acknowledged)
  })

  it('is waited for when it is restarted as a manager does, by a signal', async () => {
    const oracle = new Oracle(locations.create())
    let service = startDaemon(oracle)
    const services = [service]
    await service.reported('ready')
    const load = putLoadOn(oracle, 5)
    for (let round = 0; round < 3; round++) {
      await load.progresses()
      const stoppedAt = now()
      service.child.kill('SIGTERM')
      expect(await service.ended).toEqual({ code: 0, signal: null })
      const endedAt = now()
      service = startDaemon(oracle)
      services.push(service)
      await service.reported('ready')
      console.log(
        `ended after ${Math.round(endedAt - stoppedAt)} ms, the next ready after ${Math.round(now() - endedAt)} ms`
      )
      expect(publishers(oracle).at(-1)).toBe(service.pid)
    }
    await load.progresses()
    await load.end()
    expectGraceGiven(oracle, services)
    await oracle.expectCleanEnd(load.acknowledged)
  })

  it('is waited for while it ends, however long that takes', async () => {
    const oracle = new Oracle(locations.create())
    const service = startDaemon(oracle, ['--service'], { closeMs: 2 * TIMES.serviceRestart })
    await service.reported('ready')
    const load = putLoadOn(oracle, 3)
    await load.progresses()
    service.child.kill('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    const next = startDaemon(oracle)
    await next.reported('ready')
    await load.progresses()
    expect(publishers(oracle).at(-1)).toBe(next.pid)
    await load.end()
    expectGraceGiven(oracle, [service, next])
    await oracle.expectCleanEnd(load.acknowledged)
  })
})

describe('the unit of a service', () => {
  const unit = systemdService({
    location: '/srv/data',
    node: process.execPath,
    entry: DAEMON_ENTRY,
    scope: 'user',
    user: undefined,
    daemonArguments: []
  })
  const sets = /^SystemCallFilter=(.*)$/m.exec(unit)?.[1] as string
  const canRun = hasProgram('systemd-analyze') && hasProgram('python3') && canFilter(sets)

  it.skipIf(!canRun)('denies no system call that it needs', async () => {
    const directory = locations.create()
    const location = join(directory, 'db')
    const NOTIFY_SOCKET = join(directory, 'notify')
    const manager = new NotifySocket(NOTIFY_SOCKET)
    try {
      await manager.bound()
      const service = await commands.serve(location, ['--service', '--fence-interval', '50'], {
        wrapper: underFilter(sets),
        env: { NOTIFY_SOCKET }
      })
      const db = clients.open(location, { autospawn: false })
      const entries = Array.from({ length: 2_000 }, (_, index) => [`${index}`, 'x'.repeat(1_000)])
      await db.batch(entries.map(([key = '', value = '']) => ({ type: 'put', key, value })))
      await db.compactRange('', '~')
      expect((await db.keys().all()).length).toBe(entries.length)
      await manager.received('READY=1')
      await db.close()
      service.child.kill('SIGTERM')
      expect(await service.ended).toEqual({ code: 0, signal: null })
      await manager.received('STOPPING=1')
    } finally {
      manager.close()
    }
  })
})

describe('under launchd a daemon', () => {
  it.each([
    ['a corrupt database', (location: string) => spoil(location), 22],
    ['a wrong option', () => ['--cache-size', 'much'], 2],
    ['an unknown option', () => ['--no-such-option'], 2]
  ])('that cannot start for %s ends with code 0, and says why', async (_, prepare, code) => {
    const location = locations.create()
    const args = ['serve', location, '--service', ...(prepare(location) ?? [])]
    expect((await commands.start(args).ended).code).toBe(code)
    const underLaunchd = commands.start([...args, '--launchd'])
    expect(await underLaunchd.ended).toEqual({ code: 0, signal: null })
    expect(underLaunchd.stderr).toContain(`exit code ${code} becomes 0`)
  })

  it('that is to be tried again does not', async () => {
    const location = locations.create()
    mkdirSync(join(location, 'partyd.sock'))
    const service = commands.start(['serve', location, '--service', '--launchd'])
    expect(await service.ended).toEqual({ code: 24, signal: null })
  })
})

/** A CURRENT without a line feed at its end was not written to its end. */
function spoil(location: string): undefined {
  writeFileSync(join(location, 'CURRENT'), 'MANIFEST-000001')
}
