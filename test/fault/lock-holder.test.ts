// Another program has the database open. What every operation then says is in
// test/integration/start-errors.test.ts.

import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { DaemonCommands } from '../harness/daemon-command.js'
import { ForeignProcess } from '../harness/foreign-process.js'
import { Locations } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'
import { measureSlowness } from '../harness/slowness.js'

const clients = new Clients()
const commands = new DaemonCommands()
const locations = new Locations()
const foreigners: ForeignProcess[] = []
afterEach(async () => {
  await clients.end()
  await commands.reap()
  for (const foreign of foreigners.splice(0)) await foreign.kill()
  await locations.reap()
})

async function holdLock(location: string): Promise<ForeignProcess> {
  const holder = await ForeignProcess.holdLock(location)
  foreigners.push(holder)
  return holder
}

/** How long a daemon waits for a holder that is not a daemon. */
const WAIT_MS = 4_000

describe('a foreign program that holds the lock', () => {
  // 21
  it('is named soon after the wait, and is out of the way once it has closed', async () => {
    const oracle = new Oracle(locations.create())
    const holder = await holdLock(oracle.location)
    const slowness = measureSlowness()
    const startedAt = now()
    const db = clients.open(oracle.location, { spawn: oracle.spawn() })
    await expect(db.open()).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'LEVEL_LOCKED', pid: holder.pid, path: oracle.location }
    })
    const ms = now() - startedAt
    console.log(`failed after ${Math.round(ms)} ms, slowness ${slowness.toFixed(1)}`)
    expect(ms).toBeGreaterThan(WAIT_MS)
    expect(ms).toBeLessThan(WAIT_MS + 1_000 * slowness)
    await oracle.happened('exit')
    expect(oracle.all('exit').map(({ code }) => code)).toEqual([21])
    expect(oracle.count('open')).toBe(0)
    await holder.release()
    await db.open()
    await db.put('a', '1')
    await db.close()
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })

  // 22
  it('and lets go while a client’s daemon waits is not seen by the client', async () => {
    const oracle = new Oracle(locations.create())
    const holder = await holdLock(oracle.location)
    const db = clients.open(oracle.location, { spawn: oracle.spawn() })
    const putting = db.put('a', '1')
    await oracle.happened('boot')
    setTimeout(() => void holder.release(), WAIT_MS / 2)
    await putting
    expect(oracle.count('boot')).toBe(1)
    await db.close()
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })

  // 22
  it('and lets go after 3 s is waited for by a service, and by its clients', async () => {
    const oracle = new Oracle(locations.create())
    const holder = await holdLock(oracle.location)
    const args = ['serve', oracle.location, '--service', '--ready-fd', '3']
    const service = commands.start(args, { env: oracle.env() })
    expect(await service.reported('progress')).toMatchObject({
      message: expect.stringContaining(`pid ${holder.pid}`)
    })
    const db = clients.open(oracle.location, { autospawn: false })
    const putting = db.put('a', '1')
    setTimeout(() => void holder.release(), 3_000)
    await putting
    expect(oracle.all('publish').map(({ pid }) => pid)).toEqual([service.pid])
    await db.close()
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })
})
