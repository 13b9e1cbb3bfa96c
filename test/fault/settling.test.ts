// Every operation settles, whatever becomes of the daemon: with its result, or with an error that
// says which operation, which daemon and why. And a client that has given up goes on.

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { describe, expect, it } from 'vitest'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons, isAlive, publishedPid, until } from '../harness/locations.js'
import { mortalEnv, mortalSpawn } from '../harness/mortal-daemon.js'
import { setUp } from '../harness/set-up.js'
import { expectWithin } from '../harness/slowness.js'

const { clients, commands, locations } = setUp()

async function kill(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

const STAY = ['--auto', '--idle-timeout', 'never']

function collectWarnings(db: PartyLevel): unknown[] {
  const warnings: unknown[] = []
  db.on('warning' as never, (warning: unknown) => warnings.push(warning))
  return warnings
}

/** An error of any operation, as what it must have. */
function failure(code: string, operation: string, rest: object = {}): object {
  return { status: 'rejected', reason: { code, operation, ...rest } }
}

describe('when no daemon can be had', () => {
  it('what was sent is in doubt, what was not has had no effect, and all say why', async () => {
    const location = locations.create()
    const endpoint = join(location, 'partyd.sock')
    const daemon = await commands.serve(location, STAY, {
      env: mortalEnv({ at: 'before', key: 'sent' })
    })
    const db = clients.open(location, { autospawn: false, retryTimeoutMs: 2_500 })
    await db.put('settled', '1')
    const sent = [db.put('sent', '1'), db.del('settled'), db.get('settled')]
    const settled = Promise.allSettled(sent)
    await daemon.ended
    await sleep(100)
    const unsent = Promise.allSettled([
      db.put('unsent', '1'),
      db.batch([{ type: 'del', key: 'unsent' }]),
      db.clear(),
      db.get('settled'),
      db.getMany(['settled']),
      db.has('settled'),
      db.iterator().next(),
      db.keys({ reverse: true }).all()
    ])
    const cause = { code: 'PARTYD_NOT_RUNNING', path: location }
    const unknown = { path: location, cause }
    expect(await settled).toMatchObject([
      failure('PARTYD_OUTCOME_UNKNOWN', 'put', unknown),
      failure('PARTYD_OUTCOME_UNKNOWN', 'del', unknown),
      failure('PARTYD_TIMEOUT', 'get', unknown)
    ])
    const names = ['put', 'batch', 'clear', 'get', 'getMany', 'has', 'iterator', 'iterator']
    expect(await unsent).toMatchObject(
      names.map((name) => failure('PARTYD_TIMEOUT', name, unknown))
    )
    // The numbers of what was given up are skipped: nothing of it is done, and the client goes on.
    await commands.serve(location, STAY)
    await db.put('later', '1')
    expect(await db.getMany(['sent', 'settled', 'unsent', 'later'])).toEqual([
      undefined,
      '1',
      undefined,
      '1'
    ])
    await kill(location)
    const pending = db.put('last', '1')
    await commands.serve(location, STAY)
    await pending
    expect(await db.get('last')).toBe('1')
    expect(endpoint.length).toBeLessThan(100)
  })

  it('and its window has room again for what comes later', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, STAY, {
      env: mortalEnv({ at: 'before', key: '0' })
    })
    const db = clients.open(location, { autospawn: false, retryTimeoutMs: 300 })
    await db.open()
    const value = 'x'.repeat(7_000_000)
    for (let round = 0; round < 2; round++) {
      const puts = Array.from({ length: 8 }, (_, index) => db.put(`${index}`, value))
      const results = await Promise.allSettled(puts)
      expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    }
    await daemon.ended
    await commands.serve(location, STAY)
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => db.put(`later ${index}`, 'v')))
    expect((await db.keys().all()).length).toBe(1_000)
  })

  it('100,000 waiting operations give up in no time', async () => {
    const location = locations.create()
    await commands.serve(location, STAY)
    const db = clients.open(location, { autospawn: false, retryTimeoutMs: 500 })
    await db.open()
    await kill(location)
    const puts = Array.from({ length: 100_000 }, (_, index) => db.put(`${index}`, 'v'))
    const startedAt = performance.now()
    const results = await Promise.allSettled(puts)
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
  })

  it.each([
    ['operations', { count: 1_000_001, bytes: 1 }],
    ['bytes', { count: 6, bytes: 220_000_000 }]
  ])('only so many %s wait', { timeout: 90_000 }, async (_, { count, bytes }) => {
    const location = locations.create()
    await commands.serve(location, STAY)
    const program = clients.start(
      `const [, , count, bytes] = process.argv.map(Number)
       const db = new PartyLevel(location, { autospawn: false, retryTimeoutMs: 60_000 })
       await db.open()
       const awake = setInterval(() => {}, 1_000)
       const signal = new Promise((resolve) => process.on('SIGUSR2', resolve))
       console.log('open')
       await signal
       clearInterval(awake)
       // It has to have noticed that the daemon is gone, or it sends.
       await new Promise((resolve) => setTimeout(resolve, 100))
       const value = Buffer.alloc(bytes, 'x')
       let refused = 0
       const codes = new Set()
       for (let index = 0; index < count; index++) {
         db.put('k', value, { valueEncoding: 'buffer' }).catch(({ code, operation }) => {
           codes.add(code + ' ' + operation)
           refused++
         })
       }
       await new Promise(setImmediate)
       console.log('refused', refused, ...codes)
       process.exit()`,
      {
        args: [location, String(count), String(bytes)],
        nodeArgs: ['--max-old-space-size=4000'],
        timeoutMs: 80_000
      }
    )
    await program.printed('open')
    await kill(location)
    program.child.kill('SIGUSR2')
    const { stdout, stderr } = await program.finished
    expect({ stdout, stderr }).toEqual({
      stdout: 'open\nrefused 1 PARTYD_TOO_MANY_PENDING put\n',
      stderr: ''
    })
  })
})

describe('a daemon that is silent', () => {
  // 8, 9: what a connected client sees.
  it('is warned of and not replaced; operations give up, and it serves again', {
    timeout: 60_000
  }, async () => {
    const location = locations.create()
    const db = clients.open(location, { retryTimeoutMs: 800 })
    const patient = clients.open(location)
    const warnings = collectWarnings(patient)
    await Promise.all([db.put('a', '1'), patient.open()])
    const pid = publishedPid(location) as number
    const endpoint = join(location, 'partyd.sock')
    process.kill(pid, 'SIGSTOP')
    const waiting = patient.put('patient', '1')
    const results = await Promise.allSettled([db.put('b', '1'), db.get('a'), db.iterator().next()])
    const silence = { code: 'PARTYD_UNRESPONSIVE', pid, endpoint }
    const details = { pid, endpoint, cause: silence }
    expect(results).toMatchObject([
      failure('PARTYD_OUTCOME_UNKNOWN', 'put', details),
      failure('PARTYD_TIMEOUT', 'get', details),
      failure('PARTYD_TIMEOUT', 'iterator', details)
    ])
    await until(() => warnings.length > 0, 'the warning')
    expect(warnings).toMatchObject([silence])
    expect(findDaemons(location)).toEqual([pid])
    // close() waits for nothing that has been given up.
    process.kill(pid, 'SIGCONT')
    await waiting
    // It was only slow: the write in doubt has been done, once.
    expect(await patient.get('b')).toBe('1')
    await db.put('c', '1')
    expect(publishedPid(location)).toBe(pid)
  })
})

describe('an operation that kills each daemon', () => {
  it.each([
    ['get', { at: 'read', key: 'bad' }, (db: PartyLevel) => db.get('bad')],
    ['put', { at: 'before', key: 'bad' }, (db: PartyLevel) => db.put('bad', '1')],
    ['iterator', { at: 'scan', key: 'bad' }, (db: PartyLevel) => db.keys({ gte: 'bad' }).all()]
  ] as const)(
    '(%s) fails, and the client goes on',
    { timeout: 60_000 },
    async (name, death, run) => {
      const location = locations.create()
      const db = clients.open(location, { spawn: mortalSpawn(death), retryTimeoutMs: 30_000 })
      await db.put('good', '1')
      await expect(run(db)).rejects.toMatchObject({
        code: 'PARTYD_DAEMON_LOST',
        operation: name,
        endpoint: join(location, 'partyd.sock')
      })
      await db.put('behind', '1')
      expect(await db.getMany(['good', 'behind'])).toEqual(['1', '1'])
    }
  )
})

describe('a client that was stopped with an unanswered write', () => {
  const PUT = `
const db = new PartyLevel(location, { spawn: JSON.parse(process.argv[2]), retryTimeoutMs: 30_000 })
await db.open()
const awake = setInterval(() => {}, 1_000)
const signal = new Promise((resolve) => process.on('SIGUSR2', resolve))
console.log('open')
await signal
clearInterval(awake)
const put = db.put('k', 'old')
setTimeout(() => console.log('sent'), 100)
console.log(await put.then(() => 'done', ({ code, operation }) => code + ' ' + operation))
process.exit()
`

  // 49, and rows 1, 2 and 4 of the hello table.
  it.each([
    { at: 'after', idleExit: true, result: 'PARTYD_OUTCOME_UNKNOWN put', value: 'newer' },
    { at: 'before', idleExit: true, result: 'PARTYD_OUTCOME_UNKNOWN put', value: 'newer' },
    { at: 'after', idleExit: false, result: 'done', value: 'newer' },
    // It was pending all the time, and so may take effect at any time of it.
    { at: 'before', idleExit: false, result: 'done', value: 'old' }
  ] as const)('learns what is known: $at, idle exit: $idleExit', async (test) => {
    const { at, idleExit, result, value } = test
    const location = locations.create()
    const spawn = mortalSpawn({ at, key: 'k', marker: join(location, 'died') })
    const program = clients.start(PUT, { args: [location, JSON.stringify(spawn)] })
    await program.printed('open')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    program.child.kill('SIGUSR2')
    await program.printed('sent')
    program.child.kill('SIGSTOP')
    process.kill(pid, 'SIGCONT')
    await until(() => !isAlive(pid), 'the daemon to die')
    const other = clients.open(location, { idleTimeoutMs: idleExit ? 0 : 30_000 })
    await other.put('k', 'newer')
    if (idleExit) {
      await other.close()
      await until(() => findDaemons(location).length === 0, 'the idle exit')
    }
    program.child.kill('SIGCONT')
    const { stdout, stderr } = await program.finished
    expect({ stdout, stderr }).toEqual({ stdout: `open\nsent\n${result}\n`, stderr: '' })
    expect(await clients.open(location).get('k')).toBe(value)
  })

  // 49, with the daemon alive.
  it('and the daemon alive has it done once', async () => {
    const location = locations.create()
    const program = clients.start(PUT, { args: [location, '{}'] })
    await program.printed('open')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    program.child.kill('SIGUSR2')
    await program.printed('sent')
    program.child.kill('SIGSTOP')
    process.kill(pid, 'SIGCONT')
    const other = clients.open(location)
    while ((await other.get('k')) !== 'old') await sleep(5)
    await other.put('k', 'newer')
    program.child.kill('SIGCONT')
    expect((await program.finished).stdout).toBe('open\nsent\ndone\n')
    expect(await other.get('k')).toBe('newer')
  })
})

describe('a database that was replaced by an older copy', () => {
  // 51, and row 5 of the hello table.
  it.each([
    ['of before its first write', 0],
    ['of between its writes', 1]
  ])('%s is told to a client that waits', async (_, copyAfter) => {
    const location = locations.create()
    const copy = locations.create()
    const first = await commands.serve(location, STAY)
    const db = clients.open(location, { autospawn: false, retryTimeoutMs: 20_000 })
    const warnings = collectWarnings(db)
    await db.open()
    if (copyAfter > 0) await db.put('first', '1')
    first.child.kill('SIGKILL')
    await first.ended
    cpSync(location, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') })
    const second = await commands.serve(location, STAY, {
      env: mortalEnv({ at: 'before', key: 'pending' })
    })
    await db.put('second', '2')
    const pending = Promise.allSettled([db.put('pending', '3')])
    await second.ended
    rmSync(location, { recursive: true })
    cpSync(copy, location, { recursive: true })
    await commands.serve(location, STAY)
    expect(await pending).toMatchObject([failure('PARTYD_DATABASE_REPLACED', 'put')])
    // It goes on, and what was never sent is not concerned.
    await db.put('later', '4')
    const keys = copyAfter > 0 ? ['first', 'later'] : ['later']
    expect(await db.keys().all()).toEqual(keys)
    expect(warnings).toMatchObject([{ code: 'PARTYD_DATABASE_REPLACED', path: location }])
  })

  it('is a warning to a client that only reads', async () => {
    const location = locations.create()
    const copy = locations.create()
    const first = await commands.serve(location, STAY)
    const db = clients.open(location, { autospawn: false })
    const warnings = collectWarnings(db)
    await db.put('first', '1')
    first.child.kill('SIGKILL')
    await first.ended
    cpSync(location, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') })
    const second = await commands.serve(location, STAY)
    await db.put('second', '2')
    second.child.kill('SIGKILL')
    await second.ended
    rmSync(location, { recursive: true })
    cpSync(copy, location, { recursive: true })
    await commands.serve(location, STAY)
    expect(await db.get('second')).toBeUndefined()
    expect(await db.get('first')).toBe('1')
    expect(warnings).toMatchObject([{ code: 'PARTYD_DATABASE_REPLACED', path: location }])
  })

  it('does not matter to one that waits for nothing', async () => {
    const location = locations.create()
    const first = await commands.serve(location, STAY)
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    await PartyLevel.stop(location)
    await first.ended
    rmSync(location, { recursive: true })
    // Row 3 of the hello table: another generation, and nothing in doubt.
    await commands.serve(location, STAY)
    await db.put('b', '1')
    expect(await db.keys().all()).toEqual(['b'])
  })
})

describe('stop()', () => {
  // 54
  it('with ten idle clients is for good until one of them does something', async () => {
    const location = locations.create()
    const ten = Array.from({ length: 10 }, () => clients.open(location))
    await Promise.all(ten.map((db, index) => db.put(`key ${index}`, 'v')))
    await PartyLevel.stop(location)
    expect((await readWithClassicLevel(location)).length).toBe(10)
    await sleep(1_000)
    expect(findDaemons(location)).toEqual([])
    expect((await readWithClassicLevel(location)).length).toBe(10)
    expect(await ten[3]?.get('key 7')).toBe('v')
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('is not held up by clients that have left scans unfinished', async () => {
    const location = locations.create()
    const db = clients.open(location)
    const keys = Array.from({ length: 3_000 }, (_, index) => `${index}`.padStart(5, '0'))
    await db.batch(keys.map((key) => ({ type: 'put', key, value: 'v'.repeat(50) })))
    for (let round = 0; round < 100; round++) {
      let read = 0
      for await (const _ of db.keys()) if (++read > round * 4) break
      const iterator = db.iterator({ reverse: true })
      await iterator.nextv(round)
      iterator.seek('01000')
      await iterator.close()
    }
    const startedAt = performance.now()
    await PartyLevel.stop(location)
    // A drain that is held up takes ten seconds.
    expectWithin(performance.now() - startedAt, 8_000)
    expect(await db.get('00001')).toBeDefined()
  })

  it('takes a client along that comes in just now', { timeout: 60_000 }, async () => {
    const location = locations.create()
    for (let round = 0; round < 25; round++) {
      const db = clients.open(location)
      const put = db.put(`key ${round}`, 'v')
      await sleep(round * 12)
      const startedAt = performance.now()
      await PartyLevel.stop(location)
      expectWithin(performance.now() - startedAt, 8_000)
      await put
      await db.close()
    }
    expect(await clients.open(location).keys().all()).toHaveLength(25)
  })
})

describe('close()', () => {
  it('ends at once when nothing is pending, whatever the daemon does', async () => {
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
      const location = locations.create()
      const db = clients.open(location)
      await db.put('a', '1')
      process.kill(publishedPid(location) as number, signal)
      const startedAt = performance.now()
      await db.close()
      expectWithin(performance.now() - startedAt, 2_000)
      await expect(db.get('a')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    }
  })

  it('waits for what is pending as long as that may take', async () => {
    const location = locations.create()
    await commands.serve(location, STAY)
    const db = clients.open(location, { autospawn: false, retryTimeoutMs: 500 })
    await db.open()
    await kill(location)
    // The client has to notice, or it sends.
    await sleep(100)
    const put = Promise.allSettled([db.put('a', '1'), db.iterator().next()])
    const startedAt = performance.now()
    await db.close()
    expectWithin(performance.now() - startedAt, 5_000)
    expect(await put).toMatchObject([
      failure('PARTYD_TIMEOUT', 'put'),
      failure('PARTYD_TIMEOUT', 'iterator')
    ])
    expect(findDaemons(location)).toEqual([])
  })

  it('while opening, reconnecting and draining ends well', { timeout: 60_000 }, async () => {
    const location = locations.create()
    for (let round = 0; round < 20; round++) {
      const db = clients.open(location)
      if (round % 4 === 0) {
        db.open().catch(() => {})
        await sleep(round)
      } else {
        await db.open()
        const put = db.put('a', `${round}`)
        if (round % 4 === 1) process.kill(publishedPid(location) as number, 'SIGKILL')
        if (round % 4 === 2) void PartyLevel.stop(location)
        if (round % 4 === 3) await sleep(1)
        await db.close()
        await put
      }
      await db.close()
    }
    expect(await clients.open(location).get('a')).toBe('19')
  })
})
