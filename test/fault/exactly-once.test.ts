// Writes happen once, whenever the daemon dies and however often a client comes back. The clients
// of the protocol's edges are raw: what they send, and when, is the test's to say.

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import {
  createHello,
  dial,
  type FrameWriter,
  KIND,
  LIMITS,
  NO_LIMIT,
  PREFACE,
  RESULT,
  type Welcome
} from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { isAlive, publishedPid, until } from '../harness/locations.js'
import { countWrites, mortalEnv, mortalSpawn } from '../harness/mortal-daemon.js'
import { Random } from '../harness/random.js'
import { decodeObject, encodeFrame, encodeHello, RawClient } from '../harness/raw-client.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

const reservedKey = Buffer.alloc(16, 0xff)

function endpointOf(location: string): string {
  return join(location, 'partyd.sock')
}

/** Ends the daemon that serves, as a crash would. */
async function kill(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

/** A daemon that a test starts, because a raw client cannot. */
async function serve(location: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  await commands.serve(location, ['--auto', '--idle-timeout', 'never'], { env })
}

/** A session of which each connection, and each number, is the test's to choose. */
class RawSession {
  readonly endpoint: string
  readonly id = randomBytes(16).toString('hex')
  generation: string | null = null
  settledThrough = 0
  sentThrough = 0

  constructor(location: string) {
    this.endpoint = endpointOf(location)
  }

  fields(attempt: number): object {
    const { id: sessionId, generation, settledThrough, sentThrough } = this
    return { sessionId, attempt, generation, settledThrough, sentThrough }
  }

  async connect(attempt: number): Promise<{ client: RawClient; welcome: Welcome }> {
    const client = await RawClient.connect(this.endpoint)
    const welcome = await client.greet('retry', this.fields(attempt))
    this.generation ??= welcome.generation
    return { client, welcome }
  }

  /** The bytes of a put with that number. */
  put(sequence: number, key: string | Buffer, value: string): Buffer {
    return encodeFrame(KIND.put, sequence, (writer) => {
      this.stamp(writer, sequence)
      writer.uint8(0)
      writer.bytes(key)
      writer.tail(value)
    })
  }

  clear(sequence: number, reverse = false, limit = NO_LIMIT): Buffer {
    return encodeFrame(KIND.clear, sequence, (writer) => {
      this.stamp(writer, sequence)
      writer.uint8(reverse ? 1 : 0)
      writer.uint53(limit)
      writer.uint8(0)
    })
  }

  stamp(writer: FrameWriter, sequence: number): void {
    this.sentThrough = Math.max(this.sentThrough, sequence)
    writer.uint53(sequence)
    writer.uint53(Math.min(this.settledThrough, sequence - 1))
  }
}

/** The kinds of the next answers, by id. */
async function answers(client: RawClient, count: number): Promise<Map<number, number>> {
  const kinds = new Map<number, number>()
  while (kinds.size < count) {
    const frame = await client.next()
    if (frame === undefined) throw new Error(`Only ${kinds.size} of ${count} answers came`)
    kinds.set(frame.id, frame.kind)
  }
  return kinds
}

async function expectNoTrace(location: string): Promise<void> {
  const keys = (await readWithClassicLevel(location)).map(([key]) => String(key))
  expect(keys.filter((key) => key.includes('partyd'))).toEqual([])
}

describe('a daemon that dies', () => {
  const operations: [string, (db: PartyLevel<string, string>) => Promise<unknown>, unknown][] = [
    ['put', (db) => db.put('k', 'mine'), 'mine'],
    ['del', (db) => db.del('k'), undefined],
    ['batch', (db) => db.batch([{ type: 'put', key: 'k', value: 'mine' }]), 'mine'],
    ['clear', (db) => db.clear({ gte: 'k', lt: 'l' }), undefined]
  ]
  const cases = operations.flatMap(([name, run, value]) =>
    (['before', 'after'] as const).map((at) => ({ name, at, run, value }))
  )

  it.each(cases)('$at its batch is in has a $name done once', async ({ at, run, value }) => {
    const location = locations.create()
    const marker = join(location, 'died')
    const writes = join(location, 'writes')
    // The key must be there for a clear to find it, and must not be what kills.
    const seed = new PartyLevel(location)
    await seed.put('k', 'seed')
    await seed.close()
    await PartyLevel.stop(location)
    const db = clients.open(location, { spawn: mortalSpawn({ at, key: 'k', marker, writes }) })
    await db.put('before', 'it')
    expect(existsSync(marker)).toBe(false)
    await run(db)
    expect(existsSync(marker)).toBe(true)
    expect(await db.get('k')).toBe(value)
    expect(countWrites(writes).get('k')).toBe(1)
    await db.put('behind', 'it')
    await PartyLevel.stop(location)
    await expectNoTrace(location)
  })

  it('between two frames of an answer has the next one answer from the beginning', async () => {
    const location = locations.create()
    const marker = join(location, 'died')
    const keys = Array.from({ length: 600 }, (_, index) => `key ${index}`)
    const values = keys.map((key) => `${key} ${'v'.repeat(20_000)}`)
    const last = keys.at(-1) as string
    const db = clients.open(location, { spawn: mortalSpawn({ at: 'read', key: last, marker }) })
    await db.batch(keys.map((key, index) => ({ type: 'put', key, value: values[index] as string })))
    expect(existsSync(marker)).toBe(false)
    const read = await db.getMany(keys)
    expect(existsSync(marker)).toBe(true)
    expect(read.length).toBe(keys.length)
    expect(read.every((value, index) => value === values[index])).toBe(true)
  })

  // The hello table, row 1.
  it('after its batch is in does not have it repeated over what came since', async () => {
    const location = locations.create()
    await serve(location, mortalEnv({ at: 'after', key: 'k' }))
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    client.send(session.put(1, 'a', 'mine'), session.put(2, 'k', 'mine'))
    await client.closed
    const db = clients.open(location)
    await db.put('k', 'newer')
    const { client: again, welcome } = await session.connect(2)
    expect(welcome.applied).toBe(2)
    // Repeated all the same, it is answered and not carried out.
    again.send(session.put(2, 'k', 'mine'), session.put(3, 'b', 'mine'))
    expect(await answers(again, 2)).toEqual(
      new Map([
        [2, KIND.done],
        [3, KIND.done]
      ])
    )
    expect(await db.getMany(['k', 'b'])).toEqual(['newer', 'mine'])
  })

  it('has refusals told as refusals', async () => {
    const location = locations.create()
    const marker = join(location, 'died')
    const db = new PartyLevel<Buffer, Buffer>(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      spawn: mortalSpawn({ at: 'after', key: 'k', marker })
    })
    await db.open()
    const value = Buffer.from('v')
    const results = await Promise.allSettled([
      db.put(reservedKey, value),
      db.put(Buffer.from('k'), value),
      db.del(reservedKey),
      db.batch([
        { type: 'put', key: Buffer.from('b'), value },
        { type: 'put', key: reservedKey, value }
      ])
    ])
    expect(existsSync(marker)).toBe(true)
    const refused = { status: 'rejected', reason: { code: 'PARTYD_RESERVED_KEY' } }
    expect(results).toMatchObject([refused, { status: 'fulfilled' }, refused, refused])
    expect(await db.keys().all()).toEqual([Buffer.from('k')])
    await db.close()
  })

  it('can tell as many results as a session can have unsettled', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    const count = LIMITS.unsettledWritesMax
    for (let sequence = 1; sequence <= count; sequence++) {
      client.send(session.put(sequence, reservedKey, 'v'))
    }
    const kinds = await answers(client, count)
    expect(new Set(kinds.values())).toEqual(new Set([KIND.error]))
    for (const isNew of [false, true]) {
      if (isNew) {
        await kill(location)
        await serve(location)
      }
      // As the SDK connects: its limit on the answer is what counts.
      const hello = { ...createHello('retry', 'raw'), ...session.fields(isNew ? 3 : 2) }
      const dialled = await dial(location, session.endpoint, hello, AbortSignal.timeout(5_000))
      if (dialled.status !== 'welcome') throw dialled.cause
      expect(dialled.welcome.applied).toBe(count)
      expect(new Set(dialled.welcome.results.map(([, code]) => code))).toEqual(
        new Set([RESULT.reservedKey])
      )
      expect(dialled.welcome.results).toHaveLength(count)
      dialled.socket.destroy()
    }
  })

  it('in a window of one write that is larger than all others may be', async () => {
    const location = locations.create()
    const marker = join(location, 'died')
    const db = clients.open(location, {
      spawn: mortalSpawn({ at: 'after', key: 'large', marker })
    })
    await db.open()
    const large = 'x'.repeat(LIMITS.unsettledBytesMax + 1_000_000)
    const small = Array.from({ length: 200 }, (_, index) => `key ${index}`)
    await Promise.all([
      ...small.slice(0, 100).map((key) => db.put(key, key)),
      db.put('large', large),
      ...small.slice(100).map((key) => db.put(key, key))
    ])
    expect(existsSync(marker)).toBe(true)
    expect(await db.getMany(small)).toEqual(small)
    expect((await db.get('large'))?.length).toBe(large.length)
  })
})

describe('a session', () => {
  // 50
  it('whose connection broke with 1,000 writes unread has each done once', async () => {
    const location = locations.create()
    const writes = join(location, 'writes')
    await serve(location, mortalEnv({ writes }))
    const pid = publishedPid(location) as number
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    process.kill(pid, 'SIGSTOP')
    for (let sequence = 1; sequence <= 1_000; sequence++) {
      client.send(session.put(sequence, `key ${sequence}`, 'v'))
    }
    client.socket.destroy()
    const reconnected = session.connect(2)
    await sleep(50)
    process.kill(pid, 'SIGCONT')
    const { client: again, welcome } = await reconnected
    const applied = welcome.applied ?? 0
    for (let sequence = applied + 1; sequence <= 1_000; sequence++) {
      again.send(session.put(sequence, `key ${sequence}`, 'v'))
    }
    await answers(again, 1_000 - applied)
    const counts = countWrites(writes)
    expect(counts.size).toBe(1_000)
    expect(new Set(counts.values())).toEqual(new Set([1]))
  })

  // 50
  it.each([false, true])('refuses the older of two hellos (daemon busy: %s)', async (isBusy) => {
    const location = locations.create()
    await serve(location)
    const pid = publishedPid(location) as number
    const session = new RawSession(location)
    const { client: first } = await session.connect(1)
    first.send(session.put(1, 'a', '1'))
    await answers(first, 1)
    if (isBusy) process.kill(pid, 'SIGSTOP')
    const newer = session.connect(3)
    if (!isBusy) await newer
    const older = await RawClient.connect(endpointOf(location))
    older.send(PREFACE, encodeHello('retry', session.fields(2)))
    await sleep(20)
    if (isBusy) process.kill(pid, 'SIGCONT')
    const refusal = await older.next()
    expect(refusal?.kind).toBe(KIND.error)
    expect(decodeObject(refusal)).toMatchObject({ code: 'PARTYD_PROTOCOL', operation: 'hello' })
    await older.closed
    const { client, welcome } = await newer
    expect(welcome.applied).toBe(1)
    await first.closed
    client.send(session.put(2, 'a', '2'))
    expect(await answers(client, 1)).toEqual(new Map([[2, KIND.done]]))
    // The same number is stale too.
    await expect(session.connect(3)).rejects.toThrow(/PARTYD_PROTOCOL/)
  })

  it('that is taken over again and again under load loses and repeats nothing', async () => {
    const location = locations.create()
    const writes = join(location, 'writes')
    await serve(location, mortalEnv({ writes, writeMs: 2 }))
    const seed = Random.seed()
    console.log(`seed ${seed}`)
    const random = new Random(seed)
    const session = new RawSession(location)
    const count = 5_000
    for (let attempt = 1; ; attempt++) {
      const { client, welcome } = await session.connect(attempt)
      const applied = welcome.applied ?? 0
      if (applied === count) break
      const last = Math.min(count, applied + 1 + random.below(900))
      for (let sequence = applied + 1; sequence <= last; sequence++) {
        client.send(session.put(sequence, `key ${sequence}`, 'v'))
      }
      await sleep(random.below(8))
      if (random.chance(0.5)) client.socket.destroy()
    }
    const counts = countWrites(writes)
    expect(counts.size).toBe(count)
    expect(new Set(counts.values())).toEqual(new Set([1]))
  })

  it.each([
    ['a gap', 3],
    ['a number of the future', 1_000]
  ])('may not leave %s', async (_, sequence) => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    client.send(session.put(1, 'a', '1'), session.put(sequence, 'b', '1'))
    const frames = await client.rest()
    expect(decodeObject(frames.at(-1))).toMatchObject({ code: 'PARTYD_PROTOCOL' })
    const { welcome } = await session.connect(2)
    expect(welcome.applied).toBe(1)
  })

  it('may skip numbers, which are then taken', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    const skip = (sequence: number): Buffer =>
      encodeFrame(KIND.skip, sequence, (writer) => session.stamp(writer, sequence))
    client.send(skip(1), session.put(2, 'a', '1'), skip(3))
    expect(new Set((await answers(client, 3)).values())).toEqual(new Set([KIND.done]))
    await kill(location)
    await serve(location)
    const { client: again, welcome } = await session.connect(2)
    expect(welcome.applied).toBe(3)
    again.send(session.put(3, 'a', 'never'), session.put(4, 'b', '1'))
    await answers(again, 2)
    expect(await clients.open(location).getMany(['a', 'b'])).toEqual(['1', '1'])
  })
})

describe('the answer to a hello', () => {
  // The hello table, row 2.
  it('is null in the same generation when nothing was applied', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { welcome } = await session.connect(1)
    expect(welcome).toMatchObject({ applied: null, results: [] })
    expect(welcome.generation).toMatch(/^[0-9a-f]{32}$/)
    await kill(location)
    await serve(location)
    const { welcome: later } = await session.connect(2)
    expect(later).toMatchObject({ applied: null, generation: welcome.generation })
  })

  // Rows 3 and 4: what the client makes of it is in settling.test.ts.
  it('has another generation after a clean stop', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client, welcome } = await session.connect(1)
    client.send(session.put(1, 'a', '1'))
    await answers(client, 1)
    client.socket.destroy()
    await PartyLevel.stop(location)
    await expectNoTrace(location)
    await serve(location)
    const { welcome: later } = await session.connect(2)
    expect(later.applied).toBe(null)
    expect(later.generation).not.toBe(welcome.generation)
  })

  it('has another generation after a record was removed for its age', async () => {
    const location = locations.create()
    await serve(location, mortalEnv({ clockMs: -25 * 3_600_000 }))
    const session = new RawSession(location)
    const young = new RawSession(location)
    const { client } = await session.connect(1)
    client.send(session.put(1, 'a', '1'))
    await answers(client, 1)
    await kill(location)
    await serve(location)
    const { client: other } = await young.connect(1)
    other.send(young.put(1, 'b', '1'))
    await answers(other, 1)
    const { welcome } = await session.connect(2)
    expect(welcome.applied).toBe(null)
    expect(welcome.generation).not.toBe(session.generation)
    // The one that is not old has stayed.
    await kill(location)
    await serve(location)
    expect((await young.connect(2)).welcome).toMatchObject({
      applied: 1,
      generation: young.generation
    })
  })

  it('has no record of a session that has said goodbye, in the same generation', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    client.send(session.put(1, 'a', '1'))
    await answers(client, 1)
    client.send(encodeFrame(KIND.settled, 0, (writer) => writer.uint53(1)))
    await client.closed
    // The record goes with the next batch; this one is behind it.
    await clients.open(location).put('b', '1')
    const { welcome } = await session.connect(2)
    expect(welcome).toMatchObject({ applied: null, generation: session.generation })
  })
})

describe('a clear that is cut short', () => {
  const keys = Array.from({ length: 5_500 }, (_, index) => `${index}`.padStart(5, '0'))

  async function fill(location: string): Promise<PartyLevel<string, string>> {
    const db = clients.open(location)
    await db.batch(keys.map((key) => ({ type: 'put', key, value: 'v' })))
    return db
  }

  it.each([
    { how: 'kill', reverse: false },
    { how: 'kill', reverse: true },
    { how: 'takeover', reverse: false },
    { how: 'takeover', reverse: true }
  ])('goes on behind where it was: $how, reverse: $reverse', async ({ how, reverse }) => {
    const location = locations.create()
    const at = reverse ? '03600' : '01800'
    const death = how === 'kill' ? { at: 'after', key: at } : { writeMs: 30 }
    await serve(location)
    await (await fill(location)).close()
    await PartyLevel.stop(location)
    await serve(location, mortalEnv(death as object))
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    const limit = 5_000
    client.send(session.put(1, 'zz', 'first'), session.clear(2, reverse, limit))
    const db = clients.open(location)
    if (how === 'kill') await client.closed
    else while (await db.has(at)) await sleep(1)
    const reconnected = how === 'kill' ? undefined : await session.connect(2)
    // A key behind the cursor is newer than the clear, whoever acknowledged it.
    const newer = reverse ? '05499' : '00000'
    await db.put(newer, 'newer')
    const { client: again, welcome } = reconnected ?? (await session.connect(2))
    expect(welcome.applied).toBe(1)
    again.send(session.clear(2, reverse, limit), session.put(3, 'zy', 'last'))
    expect(await answers(again, 2)).toEqual(
      new Map([
        [2, KIND.done],
        [3, KIND.done]
      ])
    )
    const left = await db.keys().all()
    // In reverse the clear begins with 'zz', which counts.
    const kept = reverse ? keys.slice(0, 501) : keys.slice(limit)
    const expected = new Set([...kept, newer, 'zy', ...(reverse ? [] : ['zz'])])
    expect(new Set(left)).toEqual(expected)
    expect(await db.get(newer)).toBe('newer')
  })

  it('has its later operations wait, and others not', async () => {
    const location = locations.create()
    await serve(location)
    await (await fill(location)).close()
    await PartyLevel.stop(location)
    const marker = join(location, 'died')
    const spawn = mortalSpawn({ at: 'after', key: '02500', marker })
    const db = clients.open(location, { spawn })
    await db.open()
    const done = await Promise.all([db.clear(), db.put('00007', 'mine'), db.keys().all()])
    expect(done[2]).toEqual(['00007'])
    expect(existsSync(marker)).toBe(true)
    expect(await db.keys().all()).toEqual(['00007'])
  })
})

describe('between clients, while daemons die,', () => {
  interface Killer {
    readonly kills: number
    stop(): Promise<void>
  }

  /**
   * Kills whoever serves, every so often, but not before it has done something for everybody: on a
   * busy machine nobody would ever get along.
   * @param done how many operations whoever has done the fewest has done.
   */
  function killEvery(location: string, ms: number, done: () => number): Killer {
    let isOver = false
    let kills = 0
    const killing = (async () => {
      let last: number | undefined
      let doneBefore = 0
      while (!isOver) {
        await sleep(ms)
        const pid = publishedPid(location)
        if (isOver || pid === undefined || pid === last || !isAlive(pid)) continue
        if (done() === doneBefore) continue
        process.kill(pid, 'SIGKILL')
        last = pid
        doneBefore = done()
        kills++
      }
    })()
    return {
      get kills() {
        return kills
      },
      stop: () => {
        isOver = true
        return killing
      }
    }
  }

  interface Write {
    readonly start: number
    end: number
  }

  // 4, 5 and the promise behind them.
  it('no acknowledged write is lost, none comes back', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const pair = [clients.open(location), clients.open(location)]
    await Promise.all(pair.map((db) => db.open()))
    /** By key and value. Every value is written once. */
    const history = new Map<string, Map<string, Write>>()
    const done = new Array<number>(24).fill(0)
    const killer = killEvery(location, 200, () => Math.min(...done))
    const until = performance.now() + 6_000
    const isOver = (): boolean => performance.now() > until && killer.kills > 3
    let reads = 0
    const check = (key: string, value: string | undefined, start: number): void => {
      const writes = history.get(key) as Map<string, Write>
      const seen = value === undefined ? { start: 0, end: 0 } : (writes.get(value) as Write)
      for (const [other, { start: began, end }] of writes) {
        // Something else was written, from beginning to end, after what was read.
        if (began > seen.end && end < start) throw new Error(`${key}: ${value} hides ${other}`)
      }
      reads++
    }
    // Lanes of both clients share each key.
    const lanes = done.map(async (_, lane) => {
      const db = pair[lane % 2] as PartyLevel<string, string>
      const key = `key ${lane >> 1}`
      const writes = history.get(key) ?? new Map<string, Write>()
      history.set(key, writes)
      for (let index = 0; !isOver(); index++) {
        const value = `${lane}.${index}`
        const write = { start: performance.now(), end: Number.POSITIVE_INFINITY }
        writes.set(value, write)
        await db.put(key, value)
        write.end = performance.now()
        done[lane] = index
        if (index % 4 === 0) {
          const start = performance.now()
          check(key, await db.get(key), start)
          // Only what may still be seen is of use.
          for (const [old, { end }] of writes) if (end < start - 5_000) writes.delete(old)
        }
        if (index % 50 === 0) await sleep(5)
      }
    })
    await Promise.all(lanes)
    await killer.stop()
    const start = performance.now()
    for (const key of history.keys()) check(key, await pair[0]?.get(key), start)
    console.log(`${reads} reads checked`)
    await PartyLevel.stop(location)
    await expectNoTrace(location)
  })

  it('batches and small clears are whole or not there', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const [writer, clearer] = [clients.open(location), clients.open(location)]
    const reader = clients.open(location, { retry: false })
    await Promise.all([writer.open(), clearer.open(), reader.open()])
    const done = { a: 0, b: 0, clear: 0 }
    const killer = killEvery(location, 200, () => Math.min(done.a, done.b, done.clear))
    const until = performance.now() + 4_000
    const isOver = (): boolean => performance.now() > until && killer.kills > 2
    const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`)
    const write = async (db: PartyLevel<string, string>, name: 'a' | 'b'): Promise<void> => {
      for (; !isOver(); done[name]++) {
        const value = `${name}.${done[name]}`
        await db.batch(keys.map((key) => ({ type: 'put', key, value })))
      }
    }
    const clear = async (): Promise<void> => {
      for (; !isOver(); done.clear++) await clearer.clear()
    }
    const seen = new Map<number, number>()
    const read = async (): Promise<void> => {
      while (!isOver()) {
        try {
          const values = await reader.values().all()
          expect(new Set(values).size).toBeLessThan(2)
          seen.set(values.length, (seen.get(values.length) ?? 0) + 1)
        } catch (error) {
          if ((error as { code?: string }).code !== 'LEVEL_CONNECTION_LOST') throw error
        }
      }
    }
    await Promise.all([write(writer, 'a'), write(writer, 'b'), clear(), read()])
    await killer.stop()
    expect([...seen.keys()].sort()).toEqual([0, 20])
  })
})

describe('a clear in one batch with another client’s writes', () => {
  it('deletes all of them or none', async () => {
    const location = locations.create()
    await serve(location, mortalEnv({ writeMs: 300 }))
    const [first, writer, clearer] = [0, 1, 2].map(() => clients.open(location)) as [
      PartyLevel<string, string>,
      PartyLevel<string, string>,
      PartyLevel<string, string>
    ]
    await Promise.all([first.put('key 0', 'old'), writer.open(), clearer.open()])
    // While this is being written, the others gather for the next batch.
    const slow = first.put('slow', 'v')
    await sleep(60)
    const batch = writer.batch([
      { type: 'put', key: 'key 0', value: 'new' },
      { type: 'put', key: 'key 1', value: 'new' }
    ])
    await sleep(60)
    await Promise.all([slow, batch, clearer.clear({ gte: 'key', lt: 'kez' })])
    expect(['', 'key 0,key 1']).toContain(String(await first.keys({ lt: 'kez' }).all()))
  })
})

describe('a daemon that is stopped right after it has taken the place of one that was killed', () => {
  it('first hears its clients out, and tells them what became of their writes', async () => {
    const location = locations.create()
    await serve(location)
    const told = new RawSession(location)
    const { client } = await told.connect(1)
    client.send(told.put(1, 'a', '1'))
    await answers(client, 1) // Which it then has not heard of.
    const unwritten = new RawSession(location)
    await unwritten.connect(1)
    unwritten.sentThrough = 1
    await kill(location)
    await serve(location)
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGTERM')
    await sleep(500)
    const { client: again, welcome } = await told.connect(2)
    expect(welcome).toMatchObject({ generation: told.generation, applied: 1 })
    const other = await unwritten.connect(2)
    expect(other.welcome).toMatchObject({ generation: unwritten.generation, applied: null })
    again.send(told.put(2, 'b', '2'))
    await answers(again, 1)
    expect(isAlive(pid)).toBe(true)
    again.socket.destroy()
    other.client.socket.destroy()
    await until(() => !isAlive(pid), 'the end')
    await expectNoTrace(location)
  })

  it('hears them out, too, if it would end for want of clients', async () => {
    const location = locations.create()
    await serve(location)
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    client.send(session.put(1, 'a', '1'))
    await answers(client, 1)
    await kill(location)
    const quick = clients.open(location, { idleTimeoutMs: 0 })
    await quick.get('a')
    await quick.close()
    await sleep(500)
    expect((await session.connect(2)).welcome).toMatchObject({ applied: 1 })
  })

  it.each([
    { signals: 1, afterMs: 1_000, beforeMs: 8_000 },
    { signals: 3, afterMs: 0, beforeMs: 1_500 }
  ])('waits for nobody for ever: $signals signals', async ({ signals, afterMs, beforeMs }) => {
    const location = locations.create()
    await serve(location)
    await kill(location)
    await serve(location)
    const pid = publishedPid(location) as number
    const startedAt = performance.now()
    for (let count = 0; count < signals; count++) {
      process.kill(pid, 'SIGTERM')
      await sleep(50)
    }
    await until(() => !isAlive(pid), 'the end')
    const ms = performance.now() - startedAt
    expect(ms).toBeGreaterThan(afterMs)
    expect(ms).toBeLessThan(beforeMs)
  })
})

describe('what partyd keeps in the database', () => {
  it('is there after a kill -9 and gone after the next clean stop', async () => {
    const location = locations.create()
    const db = clients.open(location)
    await db.put('a', '1')
    await kill(location)
    const keys = (await readWithClassicLevel(location)).map(([key]) => String(key))
    expect(keys.filter((key) => key.includes('partyd'))).toHaveLength(2)
    await clients.open(location).put('b', '2')
    await kill(location)
    const other = clients.open(location)
    expect(await other.keys().all()).toEqual(['a', 'b'])
    await PartyLevel.stop(location)
    expect((await readWithClassicLevel(location)).map(([key]) => String(key))).toEqual(['a', 'b'])
  })

  it('is gone although a killed client’s writes are still being done at the stop', async () => {
    const location = locations.create()
    await serve(location, mortalEnv({ writeMs: 400 }))
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    client.send(session.put(1, 'a', '1'))
    await sleep(50)
    client.send(session.put(2, 'b', '1'))
    await sleep(50)
    client.socket.destroy()
    await PartyLevel.stop(location)
    expect((await readWithClassicLevel(location)).map(([key]) => String(key))).toEqual(['a', 'b'])
  })

  it('is gone of a client whose goodbye came before its first write was in', async () => {
    const location = locations.create()
    await serve(location, mortalEnv({ writeMs: 300 }))
    const session = new RawSession(location)
    const { client } = await session.connect(1)
    const settled = encodeFrame(KIND.settled, 0, (writer) => writer.uint53(1))
    client.send(session.put(1, 'a', '1'), settled)
    await client.closed
    const db = clients.open(location, { retry: false })
    // Behind the removal of the record in the commit queue.
    await db.put('b', '2')
    await kill(location)
    const keys = (await readWithClassicLevel(location)).map(([key]) => String(key))
    expect(keys.filter((key) => !key.includes('partyd'))).toEqual(['a', 'b'])
    expect(keys.filter((key) => key.includes('partyd'))).toHaveLength(1) // The generation.
  })

  it('is gone after a stop in the middle of a clear', async () => {
    const location = locations.create()
    const db = clients.open(location)
    const keys = Array.from({ length: 6_000 }, (_, index) => `${index}`)
    await db.batch(keys.map((key) => ({ type: 'put', key, value: 'v' })))
    const clear = db.clear()
    await PartyLevel.stop(location)
    await expectNoTrace(location)
    await clear
    expect(await db.keys().all()).toEqual([])
  })
})
