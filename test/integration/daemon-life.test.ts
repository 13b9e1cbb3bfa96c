import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { type Rendezvous, readRendezvous } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { DAEMON_ENTRY, DaemonCommands } from '../harness/daemon-command.js'
import {
  ForeignProcess,
  readWithClassicLevel,
  writeWithClassicLevel
} from '../harness/foreign-process.js'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { Program } from '../harness/program.js'
import { RawClient } from '../harness/raw-client.js'
import { expectWithin } from '../harness/slowness.js'

/** A user that owns nothing. Tests about permissions run the daemon as nobody when we are root. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const isSlow = process.env['PARTYD_TEST_SLOW'] !== undefined

const locations = new Locations()
const commands = new DaemonCommands()
const foreigners: ForeignProcess[] = []
const servers: Server[] = []
const databases: PartyLevel[] = []

function open(location: string, options: object = {}): PartyLevel {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db)
  return db
}

async function holdLock(location: string): Promise<ForeignProcess> {
  const holder = await ForeignProcess.holdLock(location)
  foreigners.push(holder)
  return holder
}

afterEach(async () => {
  await commands.reap()
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  for (const foreigner of foreigners.splice(0)) await foreigner.kill()
  for (const server of servers.splice(0)) server.close()
  await locations.reap()
})

function mode(path: string): string {
  return (lstatSync(path).mode & 0o777).toString(8)
}

/** Files of partyd's that are there only while a daemon serves. */
function passingFiles(location: string): string[] {
  return readdirSync(location).filter(
    (name) => name.startsWith('.') || (name.startsWith('partyd.') && !/^partyd\.log/.test(name))
  )
}

function rendezvous(location: string): Rendezvous {
  const found = readRendezvous(location)
  if (found === undefined) throw new Error(`${location} has no partyd.json`)
  return found
}

describe('a daemon in the foreground', () => {
  it.each([
    ['partyd <dir>', [], 'SIGTERM'],
    ['partyd <dir>', [], 'SIGINT'],
    ['partyd serve <dir>', ['serve'], 'SIGTERM'],
    ['partyd serve <dir>', ['serve'], 'SIGINT']
  ] as const)(
    '%s %s ends with code 0 on %s and leaves a plain database',
    async (_, args, signal) => {
      const location = locations.create()
      const daemon = commands.start([...args, location])
      await daemon.logged('serving')
      const db = open(location, { autospawn: false })
      await db.batch([
        { type: 'put', key: 'a', value: '1' },
        { type: 'put', key: 'b', value: '2' }
      ])
      await db.put('c', '3')
      await db.del('a')
      daemon.child.kill(signal)
      expect(await daemon.ended).toEqual({ code: 0, signal: null })
      expect(passingFiles(location)).toEqual([])
      expect(await readWithClassicLevel(location)).toEqual([
        ['b', '2'],
        ['c', '3']
      ])
    }
  )

  it('logs JSON lines when its output is not a terminal', async () => {
    const location = locations.create()
    const daemon = commands.start([location])
    await daemon.logged('serving')
    daemon.child.kill('SIGTERM')
    await daemon.ended
    expect(daemon.stderr).toBe('')
    const messages = daemon.logRecords.map(({ msg }) => msg)
    expect(messages).toContain(`serving ${location}`)
    expect(messages.at(-1)).toBe('stopped')
    for (const record of daemon.logRecords) {
      expect(record).toMatchObject({ pid: daemon.pid, level: expect.any(Number) })
      expect(Date.now() - (record['time'] as number)).toBeLessThan(60_000)
    }
  })

  it('stays although it has no clients', async () => {
    const daemon = await commands.serve(locations.create())
    await sleep(500)
    expect(daemon.isRunning).toBe(true)
  })

  // 36
  it('ends at once on a second and third signal although a client does not let go', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const program = new Program(
      `const db = new PartyLevel(location, { autospawn: false })
       await db.put('a', '1')
       console.log('connected')
       process.kill(process.pid, 'SIGSTOP')`,
      { args: [location] }
    )
    try {
      await program.printed('connected')
      await until(() => isStopped(program.child.pid as number), 'the client to stop')
      const startedAt = Date.now()
      for (const _ of [1, 2, 3]) {
        daemon.child.kill('SIGTERM')
        // Signals that arrive together are one.
        await sleep(100)
      }
      expect(await daemon.ended).toEqual({ code: 0, signal: null })
      expectWithin(Date.now() - startedAt, 2_000)
      expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
    } finally {
      program.child.kill('SIGKILL')
      await program.finished
    }
  })

  it('refuses a second start and names its pid', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const second = commands.start([location])
    expect(await second.ended).toEqual({ code: 20, signal: null })
    expect(second.stderr).toContain(`pid ${daemon.pid}`)
    expect(second.stderr.trim().split('\n')).toHaveLength(1)
    expect(daemon.isRunning).toBe(true)
    const db = open(location, { autospawn: false })
    await db.put('still', 'here')
    expect(await db.get('still')).toBe('here')
  })
})

function isStopped(pid: number): boolean {
  return /^\d+ \(.*\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

describe('the ready descriptor', () => {
  it('says ready, with what a client needs to know', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const { instanceId, endpoint } = rendezvous(location)
    const ready = { event: 'ready', pid: daemon.pid, instanceId, endpoint }
    expect(daemon.reports).toEqual([{ ...ready, created: true }])
    expect(endpoint).toBe(join(location, 'partyd.sock'))
    daemon.child.kill('SIGTERM')
    await daemon.ended
    const next = await commands.serve(location)
    expect(next.reports).toMatchObject([{ event: 'ready', created: false }])
  })

  it('is closed once that is said', async () => {
    const daemon = await commands.serve(locations.create())
    await until(() => daemon.child.stdio[3]?.destroyed === true, 'the end of descriptor 3')
    expect(daemon.isRunning).toBe(true)
  })

  it.each([[['--auto']], [[]]])('says deferred to %j when another daemon serves', async (args) => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const second = commands.start(['serve', location, '--ready-fd', '3', ...args])
    expect((await second.ended).code).toBe(20)
    expect(second.reports).toEqual([{ event: 'deferred', pid: daemon.pid }])
  })

  it('says whom it waits for at once, and ready when that process lets go', async () => {
    const location = locations.create()
    const holder = await holdLock(location)
    const startedAt = Date.now()
    const daemon = commands.start(['serve', location, '--ready-fd', '3', '--auto'])
    const { message } = await daemon.reported('progress')
    expectWithin(Date.now() - startedAt, 4_000)
    expect(message).toContain(`pid ${holder.pid}`)
    await holder.release()
    await daemon.reported('ready')
    expect(daemon.reports.at(-1)?.event).toBe('ready')
  })

  it('goes on when nobody reads it', async () => {
    const location = locations.create()
    const daemon = commands.start(['serve', location, '--ready-fd', '3', '--auto'])
    daemon.child.stdio[3]?.destroy()
    await until(() => publishedPid(location) === daemon.pid, 'the daemon to publish')
    const db = open(location, { autospawn: false })
    await db.put('a', '1')
    expect(await db.get('a')).toBe('1')
  })
})

describe('modes of files', () => {
  it.each([0o000, 0o022, 0o777])('are closed to others under umask %o', async (umask) => {
    const parent = locations.create()
    const location = join(parent, 'new')
    const daemon = await commands.serve(location, ['--auto'], { umask })
    expect(mode(location)).toBe('700')
    expect(mode(join(location, 'partyd.sock'))).toBe('600')
    expect(mode(join(location, 'partyd.json'))).toBe('600')
    await until(() => existsSync(join(location, 'partyd.log')), 'the log')
    expect(mode(join(location, 'partyd.log'))).toBe('600')
    for (const name of readdirSync(location)) {
      expect(`${name} ${(lstatSync(join(location, name)).mode & 0o077).toString(8)}`).toBe(
        `${name} 0`
      )
    }
    daemon.child.kill('SIGTERM')
    await daemon.ended
  })

  it.each([0o000, 0o022])(
    'are closed to others when a client with umask %o spawns',
    async (umask) => {
      const parent = locations.create()
      const location = join(parent, 'deep', 'new')
      const before = process.umask(umask)
      try {
        await open(location).put('a', '1')
      } finally {
        process.umask(before)
      }
      expect(mode(location)).toBe('700')
      for (const name of ['partyd.sock', 'partyd.json', 'partyd.log']) {
        expect(`${name} ${mode(join(location, name))}`).toBe(`${name} 600`)
      }
    }
  )
})

describe('idle exit', () => {
  async function exitAfterLastClient(idle: string): Promise<number> {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', idle])
    const db = open(location, { autospawn: false })
    await db.put('a', '1')
    await db.close()
    const closedAt = Date.now()
    expect((await daemon.ended).code).toBe(0)
    const ms = Date.now() - closedAt
    expect(passingFiles(location)).toEqual([])
    expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
    return ms
  }

  it('comes at the last goodbye with 0', async () => {
    expectWithin(await exitAfterLastClient('0'), 1_500)
  })

  it('comes after the time given', async () => {
    const ms = await exitAfterLastClient('400')
    expect(ms).toBeGreaterThan(390)
    expectWithin(ms, 2_500)
  })

  it('comes after the time given in the foreground, too, where nobody has ever come', async () => {
    const startedAt = Date.now()
    const daemon = await commands.serve(locations.create(), ['--idle-timeout', '300ms'])
    expect((await daemon.ended).code).toBe(0)
    expectWithin(Date.now() - startedAt, 5_000)
  })

  it('starts anew with every client', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '1000'])
    for (let round = 0; round < 4; round++) {
      const db = open(location, { autospawn: false })
      await db.open()
      await db.close()
      await sleep(400)
      expect(daemon.isRunning).toBe(true)
    }
    expect((await daemon.ended).code).toBe(0)
  })

  it('waits for the last of several clients', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '0'])
    const [first, second] = [open(location), open(location)]
    await Promise.all([first.open(), second.open()])
    await first.close()
    await sleep(200)
    expect(daemon.isRunning).toBe(true)
    await second.close()
    expect((await daemon.ended).code).toBe(0)
  })

  it('comes when the last client is killed', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '100'])
    const program = new Program(
      `const db = new PartyLevel(location, { autospawn: false })
       await db.open()
       console.log('connected')
       setInterval(() => {}, 1000)`,
      { args: [location] }
    )
    await program.printed('connected')
    await sleep(300)
    expect(daemon.isRunning).toBe(true)
    program.child.kill('SIGKILL')
    expect((await daemon.ended).code).toBe(0)
    await program.finished
  })

  it('never comes with never', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', 'never'])
    const db = open(location, { autospawn: false })
    await db.open()
    await db.close()
    await sleep(700)
    expect(daemon.isRunning).toBe(true)
  })

  it('gives the first client time', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '0'])
    await sleep(700)
    expect(daemon.isRunning).toBe(true)
    const db = open(location, { autospawn: false })
    await db.put('a', '1')
    await db.close()
    expect((await daemon.ended).code).toBe(0)
  })

  it('does not take somebody who only asks for the first client', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '0'])
    const asking = await RawClient.open(join(location, 'partyd.sock'), 'control')
    asking.socket.destroy()
    await asking.closed
    const silent = await RawClient.connect(join(location, 'partyd.sock'))
    silent.socket.destroy()
    await silent.closed
    await sleep(500)
    expect(daemon.isRunning).toBe(true)
    const db = open(location, { autospawn: false })
    await db.put('a', '1')
    await db.close()
    expect((await daemon.ended).code).toBe(0)
  })

  it.runIf(isSlow)('comes after 15 s when there never was a client', async () => {
    const startedAt = Date.now()
    const daemon = await commands.serve(locations.create(), ['--auto', '--idle-timeout', '0'])
    expect((await daemon.ended).code).toBe(0)
    const ms = Date.now() - startedAt
    expect(ms).toBeGreaterThan(14_900)
    expect(ms).toBeLessThan(18_000)
  })

  it('is as the client that started the daemon asked', async () => {
    const location = locations.create()
    const db = open(location, { idleTimeoutMs: 0 })
    await db.put('a', '1')
    const [pid = 0] = findDaemons(location)
    await db.close()
    await until(() => !isAlive(pid), 'the daemon to end')
  })

  it('takes a fraction of a millisecond', async () => {
    const location = locations.create()
    const db = open(location, { idleTimeoutMs: 0.5 })
    await db.put('a', '1')
    await db.close()
    await until(() => findDaemons(location).length === 0, 'the daemon to end')
  })
})

describe('exit codes', () => {
  it.each([
    ['no location', []],
    ['an unknown option', ['--nonsense', '/nowhere']],
    ['a second location', ['/nowhere', '/else']],
    ['an idle time that is none', ['/nowhere', '--idle-timeout', 'soon']],
    ['a log level that is none', ['/nowhere', '--log-level', 'loud']],
    ['a cache size that is none', ['/nowhere', '--cache-size', '-1']],
    ['a command that is none', ['nowhere']],
    ['a command that is none, with a location', ['stat', '/nowhere']],
    ['nothing in the place of a location', ['start', '']],
    ['a file in the place of a location', ['stop', DAEMON_ENTRY]]
  ])('2 for %s', async (_, args) => {
    const daemon = commands.start(args)
    expect(await daemon.ended).toEqual({ code: 2, signal: null })
    expect(daemon.stderr).toMatch(/^PARTYD_USAGE: /)
    expect(existsSync('/nowhere')).toBe(false)
  })

  it('0 for --help and --version', async () => {
    const help = commands.start(['--help'])
    expect((await help.ended).code).toBe(0)
    expect(help.stdout).toContain('Usage: partyd')
    const version = commands.start(['--version'])
    expect((await version.ended).code).toBe(0)
    expect(version.stdout.trim()).toMatch(/^\d+\.\d+\.\d+/)
  })

  it.each([[[]], [['--auto']]])(
    '21 for %j when another program holds the lock, named at once',
    async (args) => {
      const location = locations.create()
      const holder = await holdLock(location)
      const startedAt = Date.now()
      const daemon = commands.start(['serve', location, '--ready-fd', '3', ...args])
      expect(await daemon.ended).toEqual({ code: 21, signal: null })
      expectWithin(Date.now() - startedAt, 5_000)
      expect(daemon.reports.at(-1)).toMatchObject({
        event: 'error',
        exitCode: 21,
        error: { code: 'LEVEL_LOCKED', path: location, pid: holder.pid }
      })
      if (args.length === 0) expect(daemon.stderr).toContain(`pid ${holder.pid}`)
      expect(passingFiles(location)).toEqual([])
    }
  )

  it('22 for a corrupt database', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    corrupt(location)
    const daemon = commands.start(['serve', location, '--ready-fd', '3'])
    expect(await daemon.ended).toEqual({ code: 22, signal: null })
    expect(daemon.reports).toMatchObject([
      { event: 'error', exitCode: 22, error: { code: 'LEVEL_CORRUPTION', path: location } }
    ])
    expect(daemon.stderr).toContain(location)
    expect(passingFiles(location)).toEqual([])
  })

  it('23 for a directory that may not be written to', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    chmodSync(location, 0o555)
    const daemon = commands.start(['serve', location, '--ready-fd', '3'], {
      ...(isRoot && { uid: NOBODY })
    })
    expect(await daemon.ended).toEqual({ code: 23, signal: null })
    expect(daemon.reports).toMatchObject([
      { event: 'error', exitCode: 23, error: { path: location } }
    ])
    expect(daemon.stderr).toContain(location)
    chmodSync(location, 0o700)
  })

  it('23 for a location that may not be made', async () => {
    const parent = locations.create()
    chmodSync(parent, 0o555)
    const location = join(parent, 'new')
    const daemon = commands.start([location], { ...(isRoot && { uid: NOBODY }) })
    expect(await daemon.ended).toEqual({ code: 23, signal: null })
    expect(daemon.stderr).toContain(location)
    expect(existsSync(location)).toBe(false)
  })

  it('24 when a directory is where the socket should be', async () => {
    const location = locations.create()
    const inTheWay = join(location, 'partyd.sock')
    mkdirSync(inTheWay)
    const daemon = commands.start(['serve', location, '--ready-fd', '3'])
    expect(await daemon.ended).toEqual({ code: 24, signal: null })
    expect(daemon.reports).toMatchObject([
      { event: 'error', exitCode: 24, error: { endpoint: inTheWay } }
    ])
    expect(daemon.stderr).toContain(inTheWay)
    expect(passingFiles(location)).toEqual(['partyd.sock'])
    rmSync(inTheWay, { recursive: true })
    expect(await readWithClassicLevel(location)).toEqual([])
  })

  it('26 for an entry of somebody else in the range partyd keeps, which stays', async () => {
    const location = locations.create()
    const key = Buffer.concat([Buffer.alloc(16, 0xff), Buffer.from('mine')])
    await writeWithClassicLevel(location, [[key, 'kept']])
    const daemon = commands.start(['serve', location, '--ready-fd', '3'])
    expect(await daemon.ended).toEqual({ code: 26, signal: null })
    expect(daemon.stderr).toContain(key.toString('hex'))
    expect(daemon.reports).toMatchObject([{ event: 'error', exitCode: 26 }])
    expect(passingFiles(location)).toEqual([])
    expect(await readWithClassicLevel(location)).toMatchObject([[expect.anything(), 'kept']])
  })

  it('2 for a file where the directory should be', async () => {
    const file = join(locations.create(), 'file')
    writeFileSync(file, 'mine')
    const daemon = commands.start([file])
    expect(await daemon.ended).toEqual({ code: 2, signal: null })
    expect(daemon.stderr).toContain(file)
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })
})

/** Damages the manifest, without which LevelDB does not know its tables. */
function corrupt(location: string): void {
  const manifest = readFileSync(join(location, 'CURRENT'), 'utf8').trim()
  writeFileSync(join(location, manifest), 'this is not a manifest')
}

// 36, during D2
describe('a signal during the start', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends the wait for the lock', async (signal) => {
    const location = locations.create()
    const holder = await holdLock(location)
    const daemon = commands.start(['serve', location, '--ready-fd', '3'])
    await daemon.reported('progress')
    daemon.child.kill(signal)
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(daemon.reports.every(({ event }) => event === 'progress')).toBe(true)
    expect(passingFiles(location)).toEqual([])
    await holder.release()
    expect(await readWithClassicLevel(location)).toEqual([])
  })
})

// 17; a directory is among the exit codes.
describe('what is at the endpoint', () => {
  it('a stale socket is replaced, and private ones are swept', async () => {
    const location = locations.create()
    const killed = await commands.serve(location)
    killed.child.kill('SIGKILL')
    await killed.ended
    expect(lstatSync(join(location, 'partyd.sock')).isSocket()).toBe(true)
    const abandoned = createServer()
    servers.push(abandoned)
    await new Promise<void>((resolve) =>
      abandoned.listen(join(location, '.p01234567'), () => resolve())
    )
    writeFileSync(join(location, '.p89abcdef'), 'not a socket')
    await expectHealed(location)
    expect(readdirSync(location).filter((name) => name.startsWith('.p'))).toEqual(['.p89abcdef'])
  })

  it('a regular file is replaced', async () => {
    const location = locations.create()
    writeFileSync(join(location, 'partyd.sock'), 'junk')
    await expectHealed(location)
  })

  it('a dangling symlink is replaced', async () => {
    const location = locations.create()
    const target = join(location, 'elsewhere')
    symlinkSync(target, join(location, 'partyd.sock'))
    await expectHealed(location)
    expect(existsSync(target)).toBe(false)
  })

  it('a symlink to a live socket of somebody else is replaced, its target untouched', async () => {
    const location = locations.create()
    const elsewhere = locations.create()
    const target = join(elsewhere, 'foreign.sock')
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.on('error', () => {})
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(target, () => resolve()))
    const { ino } = statSync(target)
    symlinkSync(target, join(location, 'partyd.sock'))
    await expectHealed(location)
    expect(statSync(target).ino).toBe(ino)
    expect(server.listening).toBe(true)
    // The daemon probes whatever is there; a client looks before it dials.
    expect(connections).toBeLessThanOrEqual(1)
  })

  /** A client gets a daemon, and the endpoint is its socket. */
  async function expectHealed(location: string): Promise<void> {
    const db = open(location)
    await db.put('a', '1')
    expect(await db.get('a')).toBe('1')
    expect(lstatSync(join(location, 'partyd.sock')).isSocket()).toBe(true)
    expect(findDaemons(location)).toEqual([publishedPid(location)])
  }
})

// 25
describe('a long path', () => {
  it('has its endpoint in the runtime directory, recorded in partyd.json', async () => {
    const runtime = mkdtempSync(join(tmpdir(), 'partyd-run-'))
    try {
      const parent = locations.create()
      const [first, second] = ['a', 'b'].map((end) => join(parent, 'x'.repeat(110) + end)) as [
        string,
        string
      ]
      const env = { XDG_RUNTIME_DIR: runtime }
      const daemons = [
        await commands.serve(first, [], { env }),
        await commands.serve(second, [], { env })
      ]
      const endpoints = [first, second].map((location) => rendezvous(location).endpoint)
      for (const endpoint of endpoints) {
        expect(dirname(endpoint)).toBe(join(runtime, 'partyd'))
        expect(mode(endpoint)).toBe('600')
      }
      expect(mode(join(runtime, 'partyd'))).toBe('700')
      expect(endpoints[0]).not.toBe(endpoints[1])
      // The client's own runtime directory is another one: partyd.json is how it knows.
      for (const location of [first, second]) {
        await open(location, { autospawn: false }).put('where', location)
      }
      for (const daemon of daemons) {
        daemon.child.kill('SIGTERM')
        expect((await daemon.ended).code).toBe(0)
      }
      expect(readdirSync(join(runtime, 'partyd'))).toEqual([])
      for (const location of [first, second]) {
        expect(passingFiles(location)).toEqual([])
        expect(await readWithClassicLevel(location)).toEqual([['where', location]])
      }
    } finally {
      rmSync(runtime, { recursive: true, force: true })
    }
  })

  it.each(['a path with spaces', 'ünïcødé-データ', '100%25 #?&'])('works for %s', async (name) => {
    const location = join(locations.create(), name)
    const db = open(location)
    await db.put('a', name)
    expect(await db.get('a')).toBe(name)
    expect(findDaemons(location)).toEqual([publishedPid(location)])
  })

  it.each([90, 100, 101, 107, 108, 140, 300])(
    'works for an endpoint of %i bytes',
    async (bytes) => {
      const parent = locations.create()
      const missing = bytes - Buffer.byteLength(join(parent, 'partyd.sock')) - 1
      const location = join(parent, ...('x'.repeat(missing).match(/.{1,200}/g) as string[]))
      const db = open(location)
      await db.put('a', '1')
      const { endpoint } = rendezvous(db.location)
      expect(endpoint.startsWith(location)).toBe(bytes <= 100)
      await PartyLevel.stop(location)
      expect(existsSync(endpoint)).toBe(false)
    }
  )
})

it('a daemon that a client starts logs into the location', async () => {
  const location = locations.create()
  await open(location).put('a', '1')
  const log = join(location, 'partyd.log')
  await until(() => readFileSync(log, 'utf8').includes('serving'), 'the log')
  await PartyLevel.stop(location)
  const records = readFileSync(log, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; instanceId: string })
  expect(records.map(({ msg }) => msg)).toEqual([
    expect.stringMatching(/^starting partyd \d/),
    'opened the database',
    `serving ${location}`,
    'the first client has come',
    'stopping: stop',
    'all clients have left',
    'gave back the endpoint and the session records; closing the database',
    'stopped'
  ])
  expect(new Set(records.map(({ instanceId }) => instanceId)).size).toBe(1)
  expect(passingFiles(location)).toEqual([])
})

describe('PartyLevel.stop', () => {
  it('resolves when the lock is free', async () => {
    for (let round = 0; round < 5; round++) {
      const location = locations.create()
      await open(location).put('a', '1')
      await PartyLevel.stop(location)
      expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
      expect(passingFiles(location)).toEqual([])
      // Stop promises the lock; the process ends a moment later.
      await until(() => findDaemons(location).length === 0, 'the end of the daemon')
    }
  })

  it('stops a daemon in the foreground too', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    await PartyLevel.stop(location)
    await readWithClassicLevel(location)
    expect((await daemon.ended).code).toBe(0)
  })

  it('resolves at once when nothing runs', async () => {
    const location = locations.create()
    const startedAt = Date.now()
    await PartyLevel.stop(location)
    await PartyLevel.stop(join(location, 'missing'))
    expectWithin(Date.now() - startedAt, 200)
    expect(readdirSync(location)).toEqual([])
  })

  it('resolves at once when the daemon was killed', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    daemon.child.kill('SIGKILL')
    await daemon.ended
    const startedAt = Date.now()
    await PartyLevel.stop(location)
    expectWithin(Date.now() - startedAt, 500)
  })

  it('works twice at the same time', async () => {
    const location = locations.create()
    await open(location).put('a', '1')
    await Promise.all([
      PartyLevel.stop(location).then(() => readWithClassicLevelExclusively(location)),
      PartyLevel.stop(location).then(() => readWithClassicLevelExclusively(location))
    ])
  })

  // One process may open a database once, so the second of two readers takes its turn.
  let reading: Promise<unknown> = Promise.resolve()
  function readWithClassicLevelExclusively(location: string): Promise<unknown> {
    const next = reading.then(() => readWithClassicLevel(location))
    reading = next
    return next
  }

  it('leaves idle clients idle until their next operation', async () => {
    const location = locations.create()
    const clients = Array.from({ length: 10 }, () => open(location))
    await Promise.all(clients.map((db, index) => db.put(`key ${index}`, `${index}`)))
    const before = publishedPid(location)
    await PartyLevel.stop(location)
    expect(await readWithClassicLevel(location)).toHaveLength(10)
    await sleep(500)
    expect(findDaemons(location)).toEqual([])
    expect(passingFiles(location)).toEqual([])
    expect(await clients[3]?.get('key 7')).toBe('7')
    expect(publishedPid(location)).not.toBe(before)
    const values = await Promise.all(clients.map((db) => db.get('key 0')))
    expect(values).toEqual(clients.map(() => '0'))
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('lets pending operations finish and loses none', async () => {
    const location = locations.create()
    const clients = Array.from({ length: 4 }, () => open(location))
    await Promise.all(clients.map((db) => db.open()))
    const lanes = clients.map(async (db, lane) => {
      for (let index = 0; index < 300; index++) {
        await db.put(`lane ${lane} ${index}`, `${index}`)
        expect(await db.get(`lane ${lane} ${index}`)).toBe(`${index}`)
      }
    })
    const burst = Array.from({ length: 3_000 }, (_, index) =>
      clients[index % 4]?.put(`burst ${index}`, 'x'.repeat(100))
    )
    for (let round = 0; round < 3; round++) await PartyLevel.stop(location)
    await Promise.all([...lanes, ...burst])
    await PartyLevel.stop(location)
    const entries = await readWithClassicLevel(location)
    expect(entries).toHaveLength(4 * 300 + 3_000)
  })

  it('and an immediate start take turns', async () => {
    const location = locations.create()
    for (let round = 0; round < 15; round++) {
      const db = open(location)
      const stopping = PartyLevel.stop(location)
      await db.put(`round ${round}`, 'x')
      await stopping
      await db.close()
    }
    await PartyLevel.stop(location)
    expect(await readWithClassicLevel(location)).toHaveLength(15)
  })

  it('fails with the pid of a daemon that does not answer', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    process.kill(daemon.pid, 'SIGSTOP')
    await expect(PartyLevel.stop(location)).rejects.toMatchObject({
      code: 'PARTYD_UNRESPONSIVE',
      pid: daemon.pid
    })
    process.kill(daemon.pid, 'SIGCONT')
    await PartyLevel.stop(location)
    expect((await daemon.ended).code).toBe(0)
  })
})
