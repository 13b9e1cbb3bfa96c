// Large values, many operations, many iterators, and clients that stop reading or die in the middle
// of a frame: all of it works or is refused with a code, in memory that has a bound.

import { PartyLevel } from '@partyd/client'
import { KIND, LIMITS } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonPool, type DaemonProcess } from '../harness/daemon-pool.js'
import { until } from '../harness/locations.js'
import { MemoryWatch, ownMegabytes } from '../harness/memory.js'
import { Program } from '../harness/program.js'
import { encodeFrame, RawClient } from '../harness/raw-client.js'

const MIB = 1024 * 1024
const BUFFERS = { keyEncoding: 'utf8', valueEncoding: 'buffer' } as const

type Db = PartyLevel<string, Buffer>

const pool = new DaemonPool()
const databases: Db[] = []
const programs: Program[] = []
const watches: MemoryWatch[] = []

afterEach(async () => {
  for (const watch of watches.splice(0)) watch.stop()
  for (const { child, finished } of programs.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await finished
  }
  const closing = Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, 5_000).unref())])
  await pool.reap()
})

/** A client that starts no daemon: the one of the test is the one that is measured. */
function open({ location }: DaemonProcess, options: object = {}): Db {
  const db: Db = new PartyLevel(location, { ...BUFFERS, autospawn: false, ...options })
  databases.push(db)
  return db
}

function start(source: string, { location }: DaemonProcess): Program {
  const program = new Program(
    `const db = new PartyLevel(location, { ...${JSON.stringify(BUFFERS)}, autospawn: false })\n${source}`,
    { args: [location], timeoutMs: 100_000 }
  )
  programs.push(program)
  return program
}

function watch({ child }: DaemonProcess): MemoryWatch {
  const memory = new MemoryWatch(child.pid as number)
  watches.push(memory)
  return memory
}

/** Prints what was measured and holds it against its bound. */
function expectGrowthBelow(bound: number, memory: MemoryWatch, what: string): void {
  memory.stop()
  console.log(
    `${what}: the daemon grew from ${memory.before.toFixed(0)} by ${memory.growth.toFixed(0)} MB, bound ${bound}`
  )
  expect(memory.growth).toBeLessThan(bound)
}

/** A value whose every part is different from the same part of another one. */
function makeValue(bytes: number, seed: number): Buffer {
  const value = Buffer.alloc(bytes, `${seed} `)
  for (let at = 0; at + 4 <= bytes; at += 4096) value.writeUInt32LE(at + seed, at)
  return value
}

describe('large values', () => {
  it('go in and come out at 200 MiB', { timeout: 90_000 }, async () => {
    const daemon = await pool.start()
    const db = open(daemon)
    const other = open(daemon)
    await Promise.all([db.put('a', makeValue(10, 1)), other.open()])
    const memory = watch(daemon)
    const value = makeValue(200 * MIB, 2)
    await db.put('large', value)
    const [found] = await Promise.all([other.get('large'), db.put('b', makeValue(10, 3))])
    expect(found?.equals(value)).toBe(true)
    const entries = await db.iterator({ gt: 'a' }).all()
    expect(entries.map(([key]) => key)).toEqual(['b', 'large'])
    expect(entries[1]?.[1].equals(value)).toBe(true)
    const several = await other.getMany(['a', 'large', 'c'])
    expect(several.map((each) => each?.length)).toEqual([10, value.length, undefined])
    expect(several[1]?.equals(value)).toBe(true)
    expectGrowthBelow(1_600, memory, 'A value of 200 MiB')
  })

  it('are taken up to the last byte that a frame can hold, and can be iterated over', {
    timeout: 90_000
  }, async () => {
    const daemon = await pool.start()
    const db = open(daemon)
    // Length, id and kind; sequence and settledThrough; flags; the key and its length.
    const overhead = 9 + 16 + 1 + 4 + 'large'.length
    const value = makeValue(LIMITS.frameBytesMax - overhead, 1)
    await db.batch(['a', 'b', 'z'].map((key) => ({ type: 'put', key, value: makeValue(5_000, 2) })))
    await db.put('large', value)
    expect((await db.get('large'))?.equals(value)).toBe(true)
    for (const reverse of [false, true]) {
      const sizes: number[] = []
      for await (const [, found] of db.iterator({ reverse })) sizes.push(found.length)
      const expected = [5_000, 5_000, value.length, 5_000]
      expect(sizes).toEqual(reverse ? expected.reverse() : expected)
    }
  })

  it('are refused beyond that, and the client goes on', { timeout: 90_000 }, async () => {
    const daemon = await pool.start()
    const db = open(daemon)
    await db.put('a', makeValue(10, 1))
    const memory = watch(daemon)
    const value = Buffer.alloc(LIMITS.frameBytesMax)
    await expect(db.put('large', value)).rejects.toMatchObject({ code: 'PARTYD_TOO_LARGE' })
    const text = value.toString('latin1')
    await expect(db.put('large', text, { valueEncoding: 'utf8' })).rejects.toMatchObject({
      code: 'PARTYD_TOO_LARGE'
    })
    const part = value.subarray(0, 90 * MIB)
    const puts = ['1', '2', '3'].map((key) => ({ type: 'put', key, value: part }) as const)
    await expect(db.batch(puts)).rejects.toMatchObject({ code: 'PARTYD_TOO_LARGE' })
    await expect(db.get('x'.repeat(LIMITS.frameBytesMax))).rejects.toMatchObject({
      code: 'PARTYD_TOO_LARGE'
    })
    await db.put('b', makeValue(10, 2))
    expect(await db.keys().all()).toEqual(['a', 'b'])
    expectGrowthBelow(100, memory, 'Values that are refused')
  })

  it('of 10 MB go in and come out of eight clients at once', { timeout: 90_000 }, async () => {
    const daemon = await pool.start()
    const clients = Array.from({ length: 8 }, () => open(daemon))
    await Promise.all(clients.map((db) => db.open()))
    const memory = watch(daemon)
    const work = clients.map(async (db, client) => {
      const keys = [0, 1, 2].map((index) => `${client} ${index}`)
      const values = keys.map((_, index) => makeValue(10_000_000, client * 10 + index))
      await Promise.all(keys.map((key, index) => db.put(key, values[index] as Buffer)))
      const found = await Promise.all(keys.map((key) => db.get(key)))
      for (const [index, value] of found.entries()) {
        expect(value?.equals(values[index] as Buffer)).toBe(true)
      }
    })
    await Promise.all(work)
    expectGrowthBelow(1_200, memory, '10 MB values from eight clients')
  })

  it('are asked for by the hundred, and wait their turn', { timeout: 90_000 }, async () => {
    const daemon = await pool.start()
    const db = open(daemon)
    await db.put('large', makeValue(4_000_000, 1))
    const memory = watch(daemon)
    const lengths = Array.from({ length: 200 }, async () => (await db.get('large'))?.length)
    expect(new Set(await Promise.all(lengths))).toEqual(new Set([4_000_000]))
    expectGrowthBelow(400, memory, '200 gets of 4 MB')
  })
})

describe('many operations', () => {
  it('of one client, 100,000 puts at once, take bounded memory on both sides', {
    timeout: 100_000
  }, async () => {
    const daemon = await pool.start()
    const memory = watch(daemon)
    const { code, stdout, stderr } = await start(
      `await db.open()
const value = Buffer.alloc(1_000, 1)
let done = 0
const puts = []
for (let index = 0; index < 100_000; index++) {
  puts.push(db.put('key ' + index, value).then(() => done++))
}
await Promise.all(puts)
const { resourceUsage } = process
console.log(JSON.stringify({ done, peak: resourceUsage().maxRSS / 1024 }))
await db.close()`,
      daemon
    ).finished
    expect([code, stderr]).toEqual([0, ''])
    const { done, peak } = JSON.parse(stdout)
    expect(done).toBe(100_000)
    console.log(`100,000 puts of 1 kB: the client had ${peak.toFixed(0)} MB at its peak`)
    expect(peak).toBeLessThan(700)
    expectGrowthBelow(400, memory, '100,000 puts of 1 kB')
    const db = open(daemon)
    let count = 0
    for await (const _ of db.keys()) count++
    expect(count).toBe(100_000)
  })
})

describe.each([{ retry: true }, { retry: false }])('many iterators, with %o,', ({ retry }) => {
  it('of one client are open at once, and one too many is refused', {
    timeout: 60_000
  }, async () => {
    const daemon = await pool.start()
    const db = open(daemon, { retry })
    const keys = Array.from({ length: 300 }, (_, index) => String(index).padStart(4, '0'))
    await db.batch(keys.map((key) => ({ type: 'put', key, value: makeValue(200, 1) })))
    const memory = watch(daemon)
    const iterators = Array.from({ length: 1_000 }, () => db.keys())
    const first = await Promise.all(iterators.map((iterator) => iterator.next()))
    expect(new Set(first)).toEqual(new Set(['0000']))
    while (iterators.length < LIMITS.iteratorsMax) iterators.push(db.keys())
    await Promise.all(iterators.slice(1_000).map((iterator) => iterator.next()))

    const refused = db.keys()
    await expect(refused.next()).rejects.toMatchObject({ code: 'PARTYD_TOO_MANY_PENDING' })
    await refused.close()
    // The others do not feel it, nor does another client.
    expect(await open(daemon).keys({ limit: 1 }).all()).toEqual(['0000'])
    expect(await iterators[0]?.all()).toEqual(keys.slice(1))
    await db.put('a', makeValue(1, 1))
    // all() has closed one of them.
    expect(await db.keys({ limit: 1 }).all()).toEqual(['0000'])
    const rests = await Promise.all(iterators.slice(1).map(async (iterator) => iterator.all()))
    for (const rest of rests) expect(rest.slice(0, keys.length - 1)).toHaveLength(299)
    expect(await db.keys({ reverse: true, limit: 1 }).all()).toEqual(['a'])
    expectGrowthBelow(300, memory, `${LIMITS.iteratorsMax} iterators`)
  })
})

describe('a client that', () => {
  async function fill(daemon: DaemonProcess): Promise<Db> {
    const db = open(daemon)
    for (let index = 0; index < 40; index++) {
      await db.put(`key ${index}`, makeValue(1_000_000, index))
    }
    return db
  }

  it('stops reading, in mid-scan and with gets under way, costs the daemon little, and can go on later', {
    timeout: 60_000
  }, async () => {
    const daemon = await pool.start()
    const db = await fill(daemon)
    const memory = watch(daemon)
    const scanner = start(
      `let count = 0
const gets = Array.from({ length: 400 }, (_, index) => db.get('key ' + (index % 40)))
const iterators = Array.from({ length: 8 }, () => db.iterator({ highWaterMarkBytes: 4_000_000 }))
await Promise.all(iterators.map(async (iterator) => {
  for await (const [key, value] of iterator) {
    if (count++ === 3) console.log('begun')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}))
console.log('read ' + count + ' and ' + (await Promise.all(gets)).length)
await db.close()`,
      daemon
    )
    await scanner.printed('begun')
    scanner.child.kill('SIGSTOP')
    // Another client is served meanwhile, more than long enough for all that was asked for.
    for (let index = 0; index < 200; index++) {
      expect((await db.get(`key ${index % 40}`))?.length).toBe(1_000_000)
    }
    expectGrowthBelow(250, memory, 'A client that stops reading')
    scanner.child.kill('SIGCONT')
    const { code, stdout } = await scanner.finished
    expect([code, stdout]).toEqual([0, 'begun\nread 320 and 400\n'])
  })

  it('dies in the middle of the frame of a large put leaves nothing', {
    timeout: 60_000
  }, async () => {
    const daemon = await pool.start()
    const db = open(daemon)
    await db.put('a', makeValue(10, 1))
    const before = ownMegabytes(daemon.child.pid as number)
    for (let round = 0; round < 4; round++) {
      const raw = await RawClient.open(daemon.endpoint)
      const frame = encodeFrame(KIND.put, 1, (writer) => {
        raw.stamp(writer)
        writer.uint8(0)
        writer.bytes('half')
        writer.tail(Buffer.alloc(200 * MIB, 1))
      })
      const half = frame.subarray(0, 150 * MIB)
      await new Promise((resolve) => raw.socket.write(half, resolve))
      raw.socket.destroy()
      await raw.closed
      expect(await db.get('half')).toBe(undefined)
    }
    // What a dead connection held is freed by the next collection of garbage.
    const grown = (): number => ownMegabytes(daemon.child.pid as number) - before
    const work = (async () => {
      for (let index = 0; grown() > 200 && index < 20_000; index++)
        await db.put('b', Buffer.alloc(1_000))
    })()
    await until(() => grown() < 250, 'the memory of dead connections to be freed', 20_000)
    await work
    console.log(`Four clients that died in mid-frame: ${grown().toFixed(0)} MB are left`)
    expect(await db.keys().all()).toContain('a')
    expect(await db.has('half')).toBe(false)
    expect(daemon.isRunning).toBe(true)
  })

  it('is killed while it puts 200 MiB has put all of it or nothing', {
    timeout: 60_000
  }, async () => {
    const daemon = await pool.start()
    const db = open(daemon)
    await db.put('a', makeValue(10, 1))
    for (const delayMs of [0, 60]) {
      const writer = start(
        `await db.open()
db.put('large', Buffer.alloc(200 * 1024 * 1024, 1)).catch(() => {})
console.log('putting')`,
        daemon
      )
      await writer.printed('putting')
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      writer.child.kill('SIGKILL')
      await writer.finished
      const found = await db.get('large')
      expect([undefined, 200 * MIB]).toContain(found?.length)
      await db.put('b', makeValue(10, 2))
    }
    expect(daemon.isRunning).toBe(true)
  })
})
