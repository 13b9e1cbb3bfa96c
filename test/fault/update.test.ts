// Updates of many processes under daemons that are killed: not one is lost, and none counts twice.

import { PartyLevel } from '@partyd/client'
import { describe, expect, it } from 'vitest'
import { expectToEnd, killWhile } from '../harness/kill-while.js'
import { Random } from '../harness/random.js'
import { setUp } from '../harness/set-up.js'

const { clients, locations } = setUp()

/** Adds one to a number so often. Arguments: location, times. */
const COUNT = `
const db = new PartyLevel(location, { valueEncoding: 'json', connectTimeoutMs: 60_000 })
await db.open()
console.log('counting')
for (let left = Number(process.argv[2]); left > 0; left--) await db.update('n', (n = 0) => n + 1)
await db.close()
`

describe('killing the daemon again and again', () => {
  const seed = Random.seed()

  it(`ten times, counts to 10,000 in eight processes (seed ${seed})`, {
    timeout: 420_000
  }, async () => {
    const location = locations.create()
    const startedAt = Date.now()
    const programs = Array.from({ length: 8 }, () =>
      clients.start(COUNT, { args: [location, '1250'], timeoutMs: 150_000 })
    )
    await Promise.all(programs.map((program) => program.printed('counting')))
    const kills = await killWhile(programs, location, 10, new Random(seed))
    await expectToEnd(programs)
    console.log(`${kills} kills, ${Date.now() - startedAt} ms`)
    expect(kills).toBe(10)
    const db = new PartyLevel<string, number>(location, { valueEncoding: 'json' })
    expect(await db.get('n')).toBe(10_000)
    await db.close()
  })
})
