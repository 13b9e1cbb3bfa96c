// Atomics under a daemon that dies: each is decided once, and what was decided stands.

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { KIND, RESULT, type Welcome } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { killDaemon } from '../harness/kill-daemon.js'
import { expectToEnd, killWhile } from '../harness/kill-while.js'
import { countWrites, mortalEnv, mortalSpawn } from '../harness/mortal-daemon.js'
import { Random } from '../harness/random.js'
import { encodeFrame, type Frame, RawClient } from '../harness/raw-client.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

/** A daemon that a test starts, because a raw client cannot. */
async function serve(location: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  await commands.serve(location, ['--auto', '--idle-timeout', 'never'], { env })
}

type Entries = readonly (readonly [key: string, value: string | undefined])[]

/** A session that sends atomics under numbers of the test's own. */
class RawSession {
  readonly #location: string
  readonly #sessionId = randomBytes(16).toString('hex')
  #attempt = 0
  #generation: string | null = null

  constructor(location: string) {
    this.#location = location
  }

  async connect(): Promise<{ client: RawClient; welcome: Welcome }> {
    const client = await RawClient.connect(join(this.#location, 'partyd.sock'))
    const welcome = await client.greet('retry', {
      sessionId: this.#sessionId,
      attempt: ++this.#attempt,
      generation: this.#generation,
      settledThrough: 0,
      sentThrough: 9
    })
    this.#generation ??= welcome.generation
    return { client, welcome }
  }

  atomic(sequence: number, checks: Entries, operations: Entries): Buffer {
    return encodeFrame(KIND.atomic, sequence, (writer) => {
      writer.uint53(sequence)
      writer.uint53(0)
      writer.uint8(0)
      for (const entries of [checks, operations]) {
        writer.uint32(entries.length)
        for (const [key, value] of entries) {
          writer.uint8(value === undefined ? 0 : 1)
          writer.bytes(key)
          if (value !== undefined) writer.bytes(value)
        }
      }
    })
  }
}

/** The result code of the answer to each atomic. */
async function results(client: RawClient, count: number): Promise<number[]> {
  const frames: Frame[] = []
  while (frames.length < count) {
    const frame = await client.next()
    if (frame === undefined) throw new Error(`Only ${frames.length} of ${count} answers came`)
    expect(frame.kind).toBe(KIND.done)
    frames.push(frame)
  }
  return frames.sort((one, other) => one.id - other.id).map(({ body }) => body[0] as number)
}

describe('an atomic under way when the daemon dies', () => {
  it.each(['before', 'after'] as const)('%s its batch is in happens once', async (at) => {
    const location = locations.create()
    const marker = join(location, 'died')
    const writes = join(location, 'writes')
    const db = clients.open(location, { spawn: mortalSpawn({ at, key: 'k', marker, writes }) })
    await db.put('a', '1')
    const results = await Promise.all([
      db.atomic().check('a', '2').put('wrong', 'x').commit(),
      db.atomic().check('a', '1').put('k', 'mine').put('a', '2').commit(),
      db.atomic().check('a', '1').put('wrong', 'x').commit(),
      db.atomic().check('a', '2').put('right', 'x').commit()
    ])
    expect(existsSync(marker)).toBe(true)
    expect(results).toEqual([false, true, false, true])
    expect(countWrites(writes)).toEqual(
      new Map([
        ['a', 2],
        ['k', 1],
        ['right', 1]
      ])
    )
  })

  it('keeps its result, whatever has become of what it checked', async () => {
    const location = locations.create()
    await serve(location, mortalEnv({ at: 'after', key: 'k' }))
    const session = new RawSession(location)
    const { client } = await session.connect()
    const atomics = [
      session.atomic(1, [['a', undefined]], [['a', 'mine']]),
      session.atomic(2, [['a', undefined]], [['b', 'mine']]),
      session.atomic(3, [['a', 'mine']], [['k', 'mine']])
    ]
    client.send(...atomics)
    await client.closed
    const db = clients.open(location)
    // Decided again now, the second one would succeed, and the first would overwrite.
    await db.del('a')
    const { client: again, welcome } = await session.connect()
    expect(welcome).toMatchObject({ applied: 3, results: [[2, RESULT.checkFailed]] })
    again.send(...atomics)
    expect(await results(again, 3)).toEqual([RESULT.ok, RESULT.checkFailed, RESULT.ok])
    expect(await db.iterator().all()).toEqual([['k', 'mine']])
  })

  it('leaves its record even if it is alone in its batch and writes nothing', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client } = await session.connect()
    client.send(session.atomic(1, [['a', '1']], [['b', 'mine']]))
    expect(await results(client, 1)).toEqual([RESULT.checkFailed])
    await killDaemon(location)
    const db = clients.open(location)
    await db.put('a', '1')
    const { client: again, welcome } = await session.connect()
    expect(welcome).toMatchObject({ applied: 1, results: [[1, RESULT.checkFailed]] })
    again.send(session.atomic(1, [['a', '1']], [['b', 'mine']]))
    expect(await results(again, 1)).toEqual([RESULT.checkFailed])
    expect(await db.get('b')).toBeUndefined()
  })

  it('is lost, with an outcome that is unknown, without retry', async () => {
    const location = locations.create()
    const marker = join(location, 'died')
    const spawn = mortalSpawn({ at: 'after', key: 'k', marker })
    const db = clients.open(location, { retry: false, spawn })
    await db.open()
    await expect(db.atomic().put('k', 'mine').commit()).rejects.toMatchObject({
      code: 'LEVEL_CONNECTION_LOST',
      operation: 'atomic'
    })
    await expect(db.atomic().check('k', 'mine').put('k', '2').commit()).resolves.toBe(true)
  })
})

/** Draws numbered tickets until it has so many. Arguments: location, name, tickets. */
const DRAW_TICKETS = `
const [, , name, wanted] = process.argv
const db = new PartyLevel(location, { connectTimeoutMs: 60_000 })
await db.open()
console.log('drawing')
const drawn = []
while (drawn.length < Number(wanted)) {
  const next = Number((await db.get('next')) ?? '0')
  const atomic = db.atomic()
    .check('next', next === 0 ? undefined : String(next))
    .check('ticket ' + next, undefined)
    .put('next', String(next + 1))
    .put('ticket ' + next, name)
  if (await atomic.commit()) drawn.push(next)
}
console.log(JSON.stringify(drawn))
await db.close()
`

describe('killing the daemon again and again', () => {
  const seed = Random.seed()

  it(`gives each of four processes the tickets that it was told, and no other (seed ${seed})`, {
    timeout: 120_000
  }, async () => {
    const location = locations.create()
    const names = ['a', 'b', 'c', 'd']
    const programs = names.map((name) =>
      clients.start(DRAW_TICKETS, { args: [location, name, '250'], timeoutMs: 100_000 })
    )
    await Promise.all(programs.map((program) => program.printed('drawing')))
    const kills = await killWhile(programs, location, 8, new Random(seed))
    const outputs = await expectToEnd(programs)
    console.log(`${kills} kills`)
    const owners = new Map<string, string>()
    for (const [index, output] of outputs.entries()) {
      for (const ticket of JSON.parse(output.slice(output.indexOf('['))) as number[]) {
        expect(owners.has(`ticket ${ticket}`)).toBe(false)
        owners.set(`ticket ${ticket}`, names[index] as string)
      }
    }
    const db = clients.open(location)
    const stored = await db.iterator({ gte: 'ticket ', lt: 'ticket!' }).all()
    expect(new Map(stored)).toEqual(owners)
    expect(await db.get('next')).toBe('1000')
  })
})
