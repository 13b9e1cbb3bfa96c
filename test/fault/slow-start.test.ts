// A daemon that takes long to open the database, as after a crash with a large log.

import { afterAll, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Locations } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'

const clients = new Clients()
const locations = new Locations()
afterAll(async () => {
  await clients.end()
  await locations.reap()
})

/** Puts one entry; arguments: location, key, spawn. */
const PUT = `
const [, , key, spawn] = process.argv
const db = new PartyLevel(location, { spawn: JSON.parse(spawn), connectTimeoutMs: 45_000 })
await db.put(key, key)
await db.close()
`

// Side by side: they take their time, and hardly any processor.
describe.concurrent('a database that takes 12 s to open', () => {
  // 15
  it('is opened by one daemon, which all who wait get', { timeout: 60_000 }, async () => {
    const oracle = new Oracle(locations.create())
    const spawn = oracle.spawn({ openMs: 12_000 })
    const startedAt = now()
    const others = ['a', 'b', 'c'].map((key) =>
      clients.run(PUT, { args: [oracle.location, key, JSON.stringify(spawn)] })
    )
    const mine = ['d', 'e'].map(async (key) => {
      const db = clients.open(oracle.location, { spawn })
      await db.put(key, key)
      await db.close()
    })
    const [finished] = await Promise.all([Promise.all(others), Promise.all(mine)])
    for (const { code, stderr } of finished) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    }
    console.log(`connected after ${Math.round(now() - startedAt)} ms`)
    expect(oracle.count('boot')).toBe(1)
    expect(oracle.count('publish')).toBe(1)
    await oracle.expectCleanEnd(new Map(['a', 'b', 'c', 'd', 'e'].map((key) => [key, key])))
  })

  it('has the client that started it wait longer than it would wait for silence', async () => {
    const oracle = new Oracle(locations.create())
    const db = clients.open(oracle.location, {
      spawn: oracle.spawn({ openMs: 12_000 }),
      connectTimeoutMs: 10_000
    })
    await db.put('a', '1')
    expect(oracle.count('boot')).toBe(1)
    await db.close()
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })
})
