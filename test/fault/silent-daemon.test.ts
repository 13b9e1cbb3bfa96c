// A daemon that is there and does not answer: stopped, blocked, or too busy to accept. It is waited
// for and named, never replaced, and nothing of its is touched.

import { once } from 'node:events'
import { lstatSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { PartyLevel } from '@partyd/client'
import { afterAll, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { ForeignProcess } from '../harness/foreign-process.js'
import { findDaemons, Locations, publishedPid } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'

const clients = new Clients()
const locations = new Locations()
const foreigners: ForeignProcess[] = []
const sockets: Socket[] = []
afterAll(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const foreign of foreigners.splice(0)) await foreign.kill()
  await clients.end()
  await locations.reap()
})

/** A new client fails at its deadline, naming the daemon that it does not hear from. */
async function expectUnresponsive(oracle: Oracle, pid: number, timeoutMs: number): Promise<void> {
  const startedAt = now()
  const late = clients.open(oracle.location, { spawn: oracle.spawn(), connectTimeoutMs: timeoutMs })
  await expect(late.open()).rejects.toMatchObject({
    code: 'LEVEL_DATABASE_NOT_OPEN',
    cause: { code: 'PARTYD_UNRESPONSIVE', pid, path: oracle.location }
  })
  const ms = now() - startedAt
  expect(ms).toBeGreaterThan(timeoutMs - 50)
  expect(ms).toBeLessThan(timeoutMs + 5_000)
}

/** What would change if anybody replaced the daemon. */
function identify(oracle: Oracle): object {
  const { ino } = lstatSync(join(oracle.location, 'partyd.sock'))
  return { ino, pid: publishedPid(oracle.location), daemons: findDaemons(oracle.location) }
}

/** A daemon falls silent under a client that waits for it, and goes on after the client has said so. */
async function expectPatience(
  oracle: Oracle,
  db: PartyLevel<string, string>,
  silence: { begin(pid: number): Promise<unknown>; end(pid: number): void }
): Promise<void> {
  await db.put('before', 'x')
  const before = identify(oracle)
  const pid = publishedPid(oracle.location) as number
  const warned = once(db, 'warning')
  await silence.begin(pid)
  const pending = [db.put('during', 'x'), db.get('before')]
  const startedAt = now()
  await expectUnresponsive(oracle, pid, 1_500)
  const [warning] = await warned
  console.log(`warned after ${Math.round(now() - startedAt)} ms`)
  expect(warning).toMatchObject({ code: 'PARTYD_UNRESPONSIVE', pid })
  expect(identify(oracle)).toEqual(before)
  silence.end(pid)
  expect(await Promise.all(pending)).toEqual([undefined, 'x'])
  expect(identify(oracle)).toEqual(before)
  expect(oracle.count('boot')).toBe(1)
  await db.close()
  await oracle.expectCleanEnd(
    new Map([
      ['before', 'x'],
      ['during', 'x']
    ])
  )
}

// Side by side: they take their time, and hardly any processor.
describe.concurrent('a daemon that is silent', () => {
  // 8: as long as it takes for the warning, which is two heartbeats of 5 s.
  it('because it is stopped is not replaced, and goes on', { timeout: 45_000 }, async () => {
    const oracle = new Oracle(locations.create())
    const db = clients.open(oracle.location, { spawn: oracle.spawn() })
    await expectPatience(oracle, db, {
      begin: async (pid) => process.kill(pid, 'SIGSTOP'),
      end: (pid) => process.kill(pid, 'SIGCONT')
    })
  })

  // 9
  it('because its event loop is blocked is not replaced', { timeout: 60_000 }, async () => {
    const oracle = new Oracle(locations.create())
    const spawn = oracle.spawn({ onSignal: 'block', blockMs: 20_000 })
    const db = clients.open(oracle.location, { spawn })
    await expectPatience(oracle, db, {
      begin: (pid) => {
        process.kill(pid, 'SIGUSR2')
        return oracle.happened('signal')
      },
      end: () => expect(oracle.count('handled')).toBe(0)
    })
  })
})

describe('a daemon that does not accept', () => {
  // 10
  it('and whose backlog is full is waited for', async () => {
    const oracle = new Oracle(locations.create())
    const stub = await ForeignProcess.start(NEVER_ACCEPTS, [oracle.location])
    foreigners.push(stub)
    const path = join(oracle.location, 'partyd.sock')
    const { ino } = lstatSync(path)
    expect(await fillBacklog(path)).toBe('EAGAIN')

    const startedAt = now()
    const db = clients.open(oracle.location, { spawn: oracle.spawn(), connectTimeoutMs: 1_500 })
    const error = await db.open().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ cause: { code: 'PARTYD_UNRESPONSIVE' } })
    // The last dial of all may have been cut short by the deadline.
    const { message } = (error as { cause: { cause: Error } }).cause.cause
    expect(message).toMatch(/EAGAIN|No answer/)
    expect(now() - startedAt).toBeGreaterThan(1_450)
    expect(oracle.count('boot')).toBe(0)
    expect(lstatSync(path).ino).toBe(ino)
    expect(readdirSync(oracle.location).filter((name) => name.startsWith('partyd.'))).toEqual([
      'partyd.sock'
    ])

    // Once it has ended, its socket refuses, and only then is there a daemon.
    await stub.kill()
    const patient = clients.open(oracle.location, { spawn: oracle.spawn() })
    await patient.put('a', '1')
    expect(oracle.count('boot')).toBe(1)
    await patient.close()
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })
})

/** Holds LevelDB's lock and listens, but never comes to accept. */
const NEVER_ACCEPTS = `
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
const [, location] = process.argv
const db = new ClassicLevel(location)
await db.open()
createServer().listen({ path: join(location, 'partyd.sock'), backlog: 1 }, () => {
  console.log('ready')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})
`

/** Connects until the kernel takes no more; with the code that it then gives. */
async function fillBacklog(path: string): Promise<string | undefined> {
  for (let count = 0; count < 10; count++) {
    const socket = connect(path)
    sockets.push(socket)
    const error = await Promise.race([
      once(socket, 'connect').then(() => undefined),
      once(socket, 'error').then(([reason]) => reason as NodeJS.ErrnoException)
    ]).catch((reason: NodeJS.ErrnoException) => reason)
    if (error !== undefined) return error.code
  }
  return undefined
}
