// A daemon that nobody uses is on its way out, and a client comes: it stays, or another one takes
// its place, and the client never learns of either.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { locationFiles } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { publishedPid } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'
import { Random } from '../harness/random.js'
import { setUp } from '../harness/set-up.js'

const { clients, locations } = setUp()

/** How often daemons of the location that had begun to leave have stayed, by their log. */
function countCancelled(location: string): number {
  return (
    readFileSync(locationFiles(location).log, 'utf8').split('a client came: staying').length - 1
  )
}

describe('an idle time-out of 20 ms', () => {
  const ROUNDS = 500
  const LANES = 4
  const seed = Random.seed()

  // 11
  it(`is not seen by ${ROUNDS} clients that come at any time (seed ${seed})`, {
    timeout: 420_000
  }, async () => {
    const random = new Random(seed)
    const startedAt = now()
    const lanes = Array.from({ length: LANES }, async () => {
      const oracle = new Oracle(locations.create())
      // A daemon that takes a few milliseconds to leave is met in the act more often.
      const options = { spawn: oracle.spawn({ beforeParkMs: 3 }), idleTimeoutMs: 20 }
      const acknowledged = new Map<string, string>()
      for (let round = 0; round < ROUNDS / LANES; round++) {
        const db = clients.open(oracle.location, options)
        await db.put(`round ${round}`, 'x')
        acknowledged.set(`round ${round}`, 'x')
        await db.close()
        // Most come while it makes up its mind, the others while it goes.
        const delay = random.chance(0.95) ? 16 + random.below(7) : random.below(200)
        await sleep(delay)
      }
      await oracle.expectCleanEnd(acknowledged)
      return { cancelled: countCancelled(oracle.location), served: oracle.count('publish') }
    })
    const results = await Promise.all(lanes)
    const cancelled = results.reduce((sum, result) => sum + result.cancelled, 0)
    const served = results.reduce((sum, result) => sum + result.served, 0)
    const ms = Math.round(now() - startedAt)
    console.log(`${ms} ms, ${served} daemons, stayed ${cancelled} times`)
    expect(cancelled).toBeGreaterThan(0)
    expect(served).toBeGreaterThan(LANES)
  })
})

describe('a connection that waits to be accepted', () => {
  // 11, each time
  it('keeps an idle daemon that has begun to leave', async () => {
    const oracle = new Oracle(locations.create())
    const options = { spawn: oracle.spawn({ beforeParkMs: 500 }), idleTimeoutMs: 100 }
    const first = clients.open(oracle.location, options)
    await first.put('a', '1')
    await first.close()
    await oracle.happened('parking')
    const second = clients.open(oracle.location, options)
    await second.put('b', '2')
    expect(oracle.count('boot')).toBe(1)
    expect(oracle.count('endpoint')).toBe(2)
    await second.close()
    await expectEnd(oracle)
    expect(countCancelled(oracle.location)).toBe(1)
  })

  // 12
  it('of a daemon that is told to stop is told so, and its client retries', async () => {
    const oracle = new Oracle(locations.create())
    const first = clients.open(oracle.location, { spawn: oracle.spawn({ beforeParkMs: 500 }) })
    await first.put('a', '1')
    await first.close()
    const stopping = PartyLevel.stop(oracle.location)
    await oracle.happened('parking')
    const second = clients.open(oracle.location, { spawn: oracle.spawn() })
    await second.put('b', '2')
    await stopping
    expect(oracle.count('publish')).toBe(2)
    await second.close()
    await expectEnd(oracle)
  })

  it('does not keep an idle daemon that has got a signal to end', async () => {
    const oracle = new Oracle(locations.create())
    const options = { spawn: oracle.spawn({ beforeParkMs: 500 }), idleTimeoutMs: 100 }
    const first = clients.open(oracle.location, options)
    await first.put('a', '1')
    await first.close()
    const { pid } = await oracle.happened('parking')
    process.kill(pid, 'SIGTERM')
    const second = clients.open(oracle.location, { spawn: oracle.spawn() })
    await second.put('b', '2')
    expect(await oracle.happened('exit')).toMatchObject({ pid, code: 0 })
    await second.close()
    await expectEnd(oracle)
  })

  // 12
  it('is lost with a daemon that is killed, and its client retries', async () => {
    const oracle = new Oracle(locations.create())
    const first = clients.open(oracle.location, { spawn: oracle.spawn() })
    await first.put('a', '1')
    await first.close()
    const pid = publishedPid(oracle.location) as number
    process.kill(pid, 'SIGSTOP')
    const second = clients.open(oracle.location, { spawn: oracle.spawn() })
    const putting = second.put('b', '2')
    // One of our own behind it: connected as well, so the client's is in the backlog by then.
    const witness = connect(join(oracle.location, 'partyd.sock'))
    witness.on('error', () => {})
    await new Promise((resolve) => witness.on('connect', resolve))
    await oracle.kill(pid)
    await putting
    expect(oracle.count('publish')).toBe(2)
    await second.close()
    await expectEnd(oracle)
  })
})

describe('a client that comes when the socket has just been taken away', () => {
  // 12
  it.each(['idle', 'stop'] as const)('is served by the next daemon (%s)', async (reason) => {
    const oracle = new Oracle(locations.create())
    const idleTimeoutMs = reason === 'idle' ? 50 : 30_000
    const first = clients.open(oracle.location, {
      spawn: oracle.spawn({ afterParkMs: 700 }),
      idleTimeoutMs
    })
    await first.put('a', '1')
    await first.close()
    const stopping = reason === 'stop' ? PartyLevel.stop(oracle.location) : undefined
    await oracle.happened('parked')
    const second = clients.open(oracle.location, { spawn: oracle.spawn() })
    await second.put('b', '2')
    await stopping
    expect(oracle.count('publish')).toBe(2)
    await second.close()
    await expectEnd(oracle)
  })
})

function expectEnd(oracle: Oracle): Promise<void> {
  return oracle.expectCleanEnd(
    new Map([
      ['a', '1'],
      ['b', '2']
    ])
  )
}
