// The commands around the daemon process, as a person or a script runs them.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { locationFiles } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import type { Asked } from '../harness/daemon-command.js'
import { ForeignProcess, readWithClassicLevel } from '../harness/foreign-process.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, isAlive, publishedPid, until } from '../harness/locations.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

const run = (...args: string[]): Promise<Asked> => commands.ask(args)

async function status(location: string): Promise<Record<string, unknown>> {
  return (await run('status', location)).answer
}

describe('partyd start', () => {
  it('starts a daemon that stays, with the options given, and finds it running the next time', async () => {
    const location = join(locations.create(), 'new')
    const first = await run(
      'start',
      location,
      '--sync',
      '--cache-size',
      '1000000',
      '--log-level',
      'debug'
    )
    const pid = publishedPid(location) as number
    expect(first).toMatchObject({
      code: 0,
      answer: { schema: 1, started: true, pid, location, idleTimeoutMs: null, mode: 'auto' }
    })
    expect(first.answer['log']).toBe(join(location, 'partyd.log'))
    expect(first.answer['endpoint']).toBe(join(location, 'partyd.sock'))
    expect(await run('start', location)).toMatchObject({ code: 0, answer: { started: false, pid } })
    expect(await status(location)).toMatchObject({
      pid,
      idleTimeoutMs: null,
      logLevel: 'debug',
      options: { sync: true, cacheSize: 1_000_000, compression: true }
    })
    expect((await status(location))['idleEndsInMs']).toBeUndefined()
  })

  it('says in words what it has found, and that other options come by a restart', async () => {
    const location = locations.create()
    await run('start', location)
    const command = commands.start(['start', location, '--sync'])
    expect((await command.ended).code).toBe(0)
    expect(command.stdout).toContain(`already running (pid ${publishedPid(location)})`)
    expect(command.stderr).toContain('sync is false, not true')
    expect(command.stderr).toContain('partyd restart')
  })

  it('makes a daemon stay that a client has started with a short idle time', async () => {
    const location = locations.create()
    const db = clients.open(location, { idleTimeoutMs: 500 })
    await db.put('a', '1')
    const { pid } = await db.info()
    expect(await run('start', location)).toMatchObject({ code: 0, answer: { started: false, pid } })
    await db.close()
    await sleep(1_500)
    expect(await status(location)).toMatchObject({ status: 'running', pid, clients: 0 })
  })

  it('is done once however many of them there are at a time', async () => {
    const location = locations.create()
    const results = await Promise.all([1, 2, 3].map(() => run('start', location)))
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0])
    expect(new Set(results.map(({ answer }) => answer['pid']))).toEqual(
      new Set([publishedPid(location)])
    )
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('tells who has the lock', async () => {
    const location = locations.create()
    const foreign = await ForeignProcess.holdLock(location)
    const { code, answer, stderr } = await run('start', location)
    expect(code).toBe(21)
    expect(answer).toMatchObject({
      error: { code: 'LEVEL_LOCKED', path: location, pid: foreign.pid }
    })
    expect(stderr).toContain('partyd doctor')
    await foreign.release()
  })

  it('tells why a daemon cannot serve', async () => {
    const location = locations.create()
    // Inherited by the daemon, which has no room for its first file.
    const { code, answer, stderr } = await commands.ask(['start', location], {
      wrapper: ['prlimit', '--fsize=10']
    })
    expect(code).toBe(23)
    expect(answer).toMatchObject({ error: { code: 'LEVEL_IO_ERROR', path: location } })
    expect(stderr).toMatch(/^LEVEL_IO_ERROR: Cannot open the database/)
    expect(stderr).toContain('Check the disk')
  })

  it('does not make a database where it shall not', async () => {
    const location = locations.create()
    const { code, answer } = await run('start', location, '--no-create-if-missing')
    expect(code).toBe(2)
    expect(answer).toMatchObject({ error: { code: 'LEVEL_INVALID_ARGUMENT' } })
    expect(readdirSync(location)).toEqual([])
  })
})

describe('partyd restart', () => {
  it('goes unnoticed by clients at work, and keeps the options', async () => {
    const location = locations.create()
    const options = ['--cache-size', '1000000', '--no-compression', '--log-level', 'debug']
    await run('start', location, ...options)
    const old = publishedPid(location)
    const worker = clients.start(
      `const db = new PartyLevel(location)
       process.on('SIGTERM', () => { stopping = true })
       let stopping = false
       let count = 0
       for (; !stopping; count++) {
         await Promise.all([db.put('key ' + count, 'v'), db.put('other ' + count, 'v'), db.get('key 0')])
         if (count === 0) console.log('working')
       }
       await db.close()
       console.log('count ' + count)`,
      { args: [location], timeoutMs: 60_000 }
    )
    await worker.printed('working')
    const results: Asked[] = []
    for (let round = 0; round < 2; round++) results.push(await run('restart', location))
    worker.child.kill('SIGTERM')
    const { code, stdout, stderr } = await worker.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(results.map((result) => result.code)).toEqual([0, 0])
    const pids = [old, ...results.map(({ answer }) => answer['pid'])]
    expect(new Set(pids).size).toBe(3)
    expect(results.map(({ answer }) => answer['stopped'])).toEqual(pids.slice(0, 2))
    expect(await status(location)).toMatchObject({
      pid: pids.at(-1),
      idleTimeoutMs: null,
      logLevel: 'debug',
      options: { cacheSize: 1_000_000, compression: false }
    })
    expect(await run('start', location)).toMatchObject({ code: 0, stderr: '' })
    const count = Number(/count (\d+)/.exec(stdout)?.[1])
    await run('stop', location)
    expect(await readWithClassicLevel(location)).toHaveLength(2 * count)
    expect(count).toBeGreaterThan(10)
  })

  it('takes new options, and starts one where none was', async () => {
    const location = locations.create()
    await run('start', location)
    await run('stop', location)
    expect(await run('restart', location)).toMatchObject({ code: 0, answer: { started: true } })
    await run('restart', location, '--sync', '--slow-operations', 'never')
    expect(await status(location)).toMatchObject({
      options: { sync: true },
      slowOperationsMs: null,
      logLevel: 'info'
    })
  })

  it('makes no database', async () => {
    const location = locations.create()
    expect(await run('restart', location)).toMatchObject({
      code: 2,
      answer: { error: { code: 'PARTYD_USAGE' } }
    })
    expect(readdirSync(location)).toEqual([])
  })

  it('leaves a service to its manager', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--service'])
    const { code, answer } = await run('restart', location)
    expect({ code, answer }).toMatchObject({
      code: 1,
      answer: { error: { code: 'PARTYD_IS_SERVICE' } }
    })
    expect(daemon.isRunning).toBe(true)
  })
})

describe('partyd status', () => {
  it('tells who is connected and what has been done', async () => {
    const location = locations.create()
    await run('start', location)
    const db = clients.open(location)
    await db.put('a', '1')
    const answer = await status(location)
    expect(answer).toMatchObject({
      status: 'running',
      state: 'serving',
      clients: 1,
      connections: [{ mode: 'retry', pid: process.pid, version: expect.any(String) }],
      counters: { clients: 1, writes: 1 },
      logLevel: 'info',
      slowOperationsMs: 1_000
    })
    const command = commands.start(['status', location])
    await command.ended
    expect(command.stdout).toMatch(new RegExp(`clients +1: pid ${process.pid} \\(`))
    expect(command.stdout).toMatch(/idle time +never/)
  })

  it('tells when an idle daemon will end', async () => {
    const location = locations.create()
    await commands.serve(location, ['--auto', '--idle-timeout', '60000'])
    const { idleTimeoutMs, idleEndsInMs } = await status(location)
    expect(idleTimeoutMs).toBe(60_000)
    expect(idleEndsInMs).toBeGreaterThan(0)
    expect(idleEndsInMs).toBeLessThanOrEqual(60_000)
  })

  it('tells of a foreign holder of the lock, and starts none', async () => {
    const location = locations.create()
    const foreign = await ForeignProcess.holdLock(location)
    const { code, answer, stderr } = await run('status', location)
    expect(code).toBe(3)
    expect(answer).toMatchObject({
      status: 'not-running',
      lockOwner: {
        pid: foreign.pid,
        isDaemon: false,
        command: expect.stringContaining('classic-level')
      }
    })
    expect(stderr).toBe('')
    await foreign.release()
    expect(findDaemons(location)).toEqual([])
  })

  it('tells why the last daemon ended', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, [], { wrapper: ['prlimit', '--fsize=2000000'] })
    const db = clients.open(location, { retry: false, autospawn: false })
    await expect(
      (async () => {
        for (let index = 0; ; index++) await db.put(`key ${index}`, 'v'.repeat(100_000))
      })()
    ).rejects.toThrow()
    await daemon.ended
    const { code, answer } = await run('status', location)
    expect(code).toBe(3)
    expect(answer).toMatchObject({ lastExit: { code: 23, pid: daemon.pid } })
  })
})

describe('partyd stop', () => {
  it('tells who was connected', async () => {
    const location = locations.create()
    await run('start', location)
    const db = clients.open(location)
    await db.put('a', '1')
    const { code, answer } = await run('stop', location)
    expect({ code, answer }).toMatchObject({
      code: 0,
      answer: { stopped: true, clients: 1, connections: [{ pid: process.pid, mode: 'retry' }] }
    })
    expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
  })

  it('with --hold keeps clients waiting until somebody starts a daemon', async () => {
    const location = locations.create()
    await run('start', location)
    const db = clients.open(location)
    await db.put('a', '1')
    expect(await run('stop', location, '--hold', '10m')).toMatchObject({
      code: 0,
      answer: { holdMs: 600_000 }
    })
    let isDone = false
    const reading = db.get('a').then((value) => {
      isDone = true
      return value
    })
    await sleep(1_500)
    expect(isDone).toBe(false)
    expect(findDaemons(location)).toEqual([])
    expect((await run('status', location)).answer).toMatchObject({
      hold: { reason: 'stop', until: expect.any(Number) }
    })
    expect((await run('start', location)).code).toBe(0)
    expect(await reading).toBe('1')
    expect(existsSync(locationFiles(location).hold)).toBe(false)
  })

  it('refuses a hold of more than a day', async () => {
    const location = locations.create()
    const { code, answer } = await run('stop', location, '--hold', '25h')
    expect({ code, answer }).toMatchObject({ code: 2, answer: { error: { code: 'PARTYD_USAGE' } } })
  })

  it('gives up after --timeout, without a hold, and the daemon goes on', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    process.kill(daemon.pid, 'SIGSTOP')
    const { code, answer } = await run('stop', location, '--timeout', '1s', '--hold', '1h')
    expect({ code, answer }).toMatchObject({
      code: 4,
      answer: { error: { code: 'PARTYD_UNRESPONSIVE', pid: daemon.pid } }
    })
    expect(existsSync(locationFiles(location).hold)).toBe(false)
    process.kill(daemon.pid, 'SIGCONT')
    expect(await status(location)).toMatchObject({ status: 'running', pid: daemon.pid })
  })

  it('status and doctor say what to do about a silent listener that is no daemon', async () => {
    const location = locations.create()
    const endpoint = join(location, 'partyd.sock')
    const listener = createServer().listen(endpoint)
    try {
      const { code, answer } = await run('status', location, '--timeout', '500ms')
      expect({ code, answer }).toMatchObject({
        code: 4,
        answer: { error: { code: 'PARTYD_UNRESPONSIVE', endpoint } }
      })
      expect(JSON.stringify(answer)).toContain(`or remove ${endpoint}`)
      const diagnosis = (await run('doctor', location, '--timeout', '500ms')).answer
      expect(diagnosis['findings']).toContainEqual(
        expect.objectContaining({ code: 'unknown-listener' })
      )
    } finally {
      listener.close()
    }
  })

  it('with --force kills a daemon that does not answer, and no other process', async () => {
    const location = locations.create()
    await run('start', location)
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    expect(await run('stop', location, '--timeout', '1s', '--force')).toMatchObject({
      code: 0,
      answer: { stopped: true, killed: true, pid }
    })
    expect(isAlive(pid)).toBe(false)

    const other = locations.create()
    const foreign = await ForeignProcess.holdLock(other)
    expect(await run('stop', other, '--timeout', '1s', '--force')).toMatchObject({
      code: 0,
      answer: { stopped: false }
    })
    expect(isAlive(foreign.pid)).toBe(true)
    await foreign.release()
  })

  it('takes its hold back when the user gives up', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    process.kill(daemon.pid, 'SIGSTOP')
    const command = commands.start(['stop', location, '--hold', '1h'])
    const { hold } = locationFiles(location)
    await until(() => existsSync(hold), 'the hold')
    command.child.kill('SIGINT')
    expect((await command.ended).code).toBe(130)
    expect(existsSync(hold)).toBe(false)
  })
})

describe('partyd list', () => {
  it('finds the daemons of this user, with a long location, too, and one that is stopped', async () => {
    const [running = '', stopped = ''] = [locations.create(), locations.create()]
    const long = join(locations.create(), 'x'.repeat(120))
    await Promise.all([running, stopped].map((location) => run('start', location)))
    const foreground = await commands.serve(long)
    process.kill(publishedPid(stopped) as number, 'SIGSTOP')
    const { code, answer } = await run('list')
    expect(code).toBe(0)
    const daemons = answer['daemons'] as Record<string, unknown>[]
    const byLocation = new Map(daemons.map((daemon) => [daemon['location'], daemon]))
    expect(byLocation.get(running)).toMatchObject({ status: 'running', mode: 'auto', clients: 0 })
    expect(byLocation.get(long)).toMatchObject({ pid: foreground.pid, mode: 'foreground' })
    expect(byLocation.get(stopped)).toMatchObject({
      status: 'unresponsive',
      pid: publishedPid(stopped)
    })
  })
})

describe('partyd log-level', () => {
  it('changes the level while the daemon runs, and shows it', async () => {
    const location = locations.create()
    await run('start', location)
    const { log } = locationFiles(location)
    // What is logged while a daemon starts is written a moment later.
    await until(() => readFileSync(log, 'utf8').includes('first client'), 'the log')
    expect(await run('log-level', location)).toMatchObject({
      code: 0,
      answer: { logLevel: 'info', slowOperationsMs: 1_000 }
    })
    expect(await run('log-level', location, 'error', '--slow', '50ms')).toMatchObject({
      code: 0,
      answer: { logLevel: 'error', slowOperationsMs: 50 }
    })
    expect(await status(location)).toMatchObject({ logLevel: 'error', slowOperationsMs: 50 })
    const before = readFileSync(log, 'utf8')
    await run('log-level', location, '--slow', 'never')
    expect(readFileSync(log, 'utf8')).toBe(before)
    await run('log-level', location, 'info')
    expect(readFileSync(log, 'utf8')).toContain('"slowOperationsMs":null')
  })

  it('refuses a level that there is not, and ends with 3 where no daemon runs', async () => {
    const location = locations.create()
    expect((await run('log-level', location, 'loud')).code).toBe(2)
    expect((await run('log-level', location, 'debug')).code).toBe(3)
    expect(readdirSync(location)).toEqual([])
  })
})

it('a daemon that was killed is replaced by start', async () => {
  const location = locations.create()
  await run('start', location)
  await killDaemon(location)
  expect((await run('status', location)).code).toBe(3)
  expect(await run('start', location)).toMatchObject({ code: 0, answer: { started: true } })
})
