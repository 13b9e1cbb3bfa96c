// The daemon is killed under clients that are busy: they go on with the next one, soon, and nothing
// that was acknowledged is lost. What single operations and iterators see of it is in
// test/integration/failover.test.ts.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { isAlive, until } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'
import { Random } from '../harness/random.js'
import { setUp } from '../harness/set-up.js'
import { measureSlowness } from '../harness/slowness.js'

const { clients, locations } = setUp()

/**
 * Several clients that put one entry after the other until SIGUSR2, and the times between which
 * each was answered. Arguments: location, name of the program, clients, spawn.
 */
const PUT_UNTIL_TOLD = `
const [, , name, clients, spawn] = process.argv
let isOver = false
process.once('SIGUSR2', () => { isOver = true })
const now = () => Number(process.hrtime.bigint()) / 1e6
const lanes = Array.from({ length: Number(clients) }, async (_, lane) => {
  const db = new PartyLevel(location, { spawn: JSON.parse(spawn) })
  await db.open()
  const answers = []
  for (let index = 0; !isOver; index++) {
    await db.put(name + ' ' + lane + ' ' + index, String(index))
    answers.push(now())
    if (index === 0) console.log('busy')
    // Leaves the machine some time for the daemon's start.
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await db.close()
  return answers
})
console.log(JSON.stringify(await Promise.all(lanes)))
`

interface Lane {
  readonly name: string
  /** When each put was answered. */
  readonly answers: readonly number[]
}

/** Runs busy clients in several processes. */
class Crowd {
  readonly #oracle: Oracle
  readonly #lanesEach: number
  readonly #programs

  constructor(oracle: Oracle, processes: number, lanesEach: number) {
    this.#oracle = oracle
    this.#lanesEach = lanesEach
    const spawn = JSON.stringify(oracle.spawn())
    this.#programs = Array.from({ length: processes }, (_, index) =>
      clients.start(PUT_UNTIL_TOLD, {
        args: [oracle.location, `program ${index}`, String(lanesEach), spawn],
        timeoutMs: 55_000
      })
    )
  }

  /** Resolves when every client has been answered once. */
  async busy(): Promise<void> {
    const busy = 'busy\n'.repeat(this.#lanesEach)
    await Promise.all(this.#programs.map((program) => program.printed(busy)))
  }

  async end(): Promise<Lane[]> {
    for (const { child } of this.#programs) child.kill('SIGUSR2')
    const finished = await Promise.all(this.#programs.map((program) => program.finished))
    return finished.flatMap(({ code, stdout, stderr }, index) => {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const lanes = JSON.parse(stdout.slice(stdout.indexOf('['))) as number[][]
      return lanes.map((answers, lane) => ({ name: `program ${index} ${lane}`, answers }))
    })
  }

  /** Every put that was answered, and no other, is in the database; each client got along. */
  async expectNothingLost(lanes: readonly Lane[]): Promise<void> {
    const acknowledged = new Map<string, string>()
    for (const { name, answers } of lanes) {
      for (const index of answers.keys()) acknowledged.set(`${name} ${index}`, `${index}`)
    }
    await this.#oracle.expectCleanEnd(acknowledged)
  }
}

describe('killing the daemon under 20 busy clients', () => {
  // 4
  it('has all of them answered by the next within a second', { timeout: 60_000 }, async () => {
    const oracle = new Oracle(locations.create())
    const crowd = new Crowd(oracle, 4, 5)
    const slowness = measureSlowness()
    await crowd.busy()
    const killedAt = now()
    await oracle.kill(oracle.owner as number)
    await oracle.happened('publish', 2)
    // Each is to be seen answered again.
    await sleep(500)
    const lanes = await crowd.end()
    const gaps = lanes.map(
      ({ answers }) => (answers.find((t) => t > killedAt + 1) ?? 1e9) - killedAt
    )
    const worst = Math.round(Math.max(...gaps))
    console.log(`answered again after ${worst} ms at most, slowness ${slowness.toFixed(1)}`)
    expect(worst).toBeLessThan(1_000 * slowness)
    expect(oracle.count('publish')).toBe(2)
    await crowd.expectNothingLost(lanes)
  })
})

describe('killing one daemon after the other under 30 clients', () => {
  const isSlow = process.env['PARTYD_TEST_SLOW'] !== undefined
  const seconds = isSlow ? 30 : 6
  const seed = Random.seed()

  // 5
  it(`for ${seconds} s loses nothing and leaves nobody behind (seed ${seed})`, {
    timeout: 120_000
  }, async () => {
    const random = new Random(seed)
    const oracle = new Oracle(locations.create())
    const crowd = new Crowd(oracle, 5, 6)
    await crowd.busy()
    const endsAt = Date.now() + seconds * 1_000
    let kills = 0
    while (Date.now() < endsAt || kills < seconds) {
      // One that serves, or one that may still be starting.
      const served = oracle.count('publish')
      if (random.chance(0.6) && !isServed(oracle)) await oracle.happened('publish', served + 1)
      await sleep(250 + random.below(100))
      const pid = lastBooted(oracle)
      if (pid === undefined) continue
      await oracle.kill(pid)
      kills++
    }
    const endedAt = now()
    await until(() => isServed(oracle), 'a last daemon')
    await sleep(500)
    const lanes = await crowd.end()
    const bricks = lanes.filter(({ answers }) => (answers.at(-1) ?? 0) < endedAt)
    const peak = oracle.peakDaemons
    const puts = lanes.reduce((sum, { answers }) => sum + answers.length, 0)
    console.log(`${kills} kills, ${oracle.count('publish')} served, peak ${peak}, ${puts} puts`)
    expect(oracle.count('publish')).toBeGreaterThan(seconds / 3)
    expect(bricks).toEqual([])
    expect(peak).toBeLessThanOrEqual(2)
    await crowd.expectNothingLost(lanes)
  })
})

/** Whether whoever has the database has said so. */
function isServed(oracle: Oracle): boolean {
  const { owner } = oracle
  return owner !== undefined && oracle.all('publish').some(({ pid }) => pid === owner)
}

function lastBooted(oracle: Oracle): number | undefined {
  const pid = oracle.all('boot').at(-1)?.pid
  return pid !== undefined && isAlive(pid) ? pid : undefined
}
