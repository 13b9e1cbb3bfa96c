// A daemon is told to stop and a client comes at the same moment, or while it takes its time.

import { PartyLevel } from '@partyd/client'
import { describe, expect, it } from 'vitest'
import { now, Oracle } from '../harness/oracle.js'
import { Random } from '../harness/random.js'
import { setUp } from '../harness/set-up.js'

const { clients, locations } = setUp()

describe('stop and an immediate connect', () => {
  const ROUNDS = 200
  const LANES = 4
  const seed = Random.seed()

  // 13
  it(`succeed ${ROUNDS} times (seed ${seed})`, { timeout: 420_000 }, async () => {
    const random = new Random(seed)
    const startedAt = now()
    // Every other round the client comes a little later, up to where the lock is free.
    const delays = Array.from({ length: ROUNDS }, (_, index) =>
      index % 2 === 0 ? 0 : random.below(150)
    )
    const lanes = Array.from({ length: LANES }, async (_, lane) => {
      const oracle = new Oracle(locations.create())
      const acknowledged = new Map<string, string>()
      const mine = delays.filter((_delay, index) => index % LANES === lane)
      for (const [round, delay] of mine.entries()) {
        const stopping = PartyLevel.stop(oracle.location)
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
        const db = clients.open(oracle.location, { spawn: oracle.spawn() })
        await db.put(`round ${round}`, 'x')
        acknowledged.set(`round ${round}`, 'x')
        await stopping
        await db.close()
      }
      await oracle.expectCleanEnd(acknowledged)
      return oracle.count('publish')
    })
    const served = await Promise.all(lanes)
    console.log(`${Math.round(now() - startedAt)} ms, daemons that served: ${served}`)
    for (const count of served) expect(count).toBeGreaterThan(ROUNDS / LANES / 4)
  })
})

describe('a daemon that takes 5 s to close the database', () => {
  it('is waited for by everybody who stops it', async () => {
    const oracle = new Oracle(locations.create())
    const db = clients.open(oracle.location, { spawn: oracle.spawn({ closeMs: 2_000 }) })
    await db.put('a', '1')
    await db.close()
    const stopping = PartyLevel.stop(oracle.location)
    await oracle.happened('closing')
    // By now nothing but LevelDB's lock tells that it is there.
    await PartyLevel.stop(oracle.location)
    expect(oracle.count('close')).toBe(1)
    await stopping
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })

  // 14
  it('is waited for by the next, and by a client with less patience', async () => {
    const oracle = new Oracle(locations.create())
    const first = clients.open(oracle.location, { spawn: oracle.spawn({ closeMs: 5_000 }) })
    await first.put('a', '1')
    await first.close()
    const stopping = PartyLevel.stop(oracle.location)
    await oracle.happened('closing')
    const startedAt = now()
    // The next daemon says that it waits, and each time its client's patience begins anew.
    const second = clients.open(oracle.location, {
      spawn: oracle.spawn(),
      connectTimeoutMs: 3_000
    })
    await second.put('b', '2')
    const ms = now() - startedAt
    console.log(`connected after ${Math.round(ms)} ms`)
    expect(ms).toBeGreaterThan(4_000)
    await stopping
    expect(oracle.count('boot')).toBe(2)
    await second.close()
    await oracle.expectCleanEnd(
      new Map([
        ['a', '1'],
        ['b', '2']
      ])
    )
  })
})
