// A scan over a database whose daemon dies again and again delivers what one without deaths does:
// every range, direction, kind, limit and seek, over keys of any bytes and lengths.

import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { Random } from '../harness/random.js'

type Binary = PartyLevel<Buffer, Buffer>
type Entry = [Buffer, Buffer]

const seed = Random.seed()
const random = new Random(seed)
const clients = new Clients()
const locations = new Locations()
let location = ''
/** In LevelDB's order. */
let entries: Entry[] = []

const BINARY = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const KINDS = ['iterator', 'keys', 'values'] as const
const BOUNDS = [
  {},
  { gte: 0.2 },
  { gt: 0.2 },
  { lte: 0.8 },
  { lt: 0.8 },
  { gte: 0.1, lte: 0.9 },
  { gt: 0.1, lt: 0.9 },
  { gte: 0.1, gt: 0.5, lte: 0.9, lt: 0.6 },
  { gte: 0.7, lt: 0.3 }
]

/** Keys of zero bits and of ones, of one byte and of hundreds, many with common beginnings. */
function makeKeys(count: number): Buffer[] {
  const keys = new Map<string, Buffer>()
  const add = (key: Buffer): unknown => keys.set(key.toString('hex'), key)
  add(Buffer.from([0]))
  add(Buffer.from([0xff]))
  add(Buffer.alloc(15, 0xff))
  while (keys.size < count) {
    const known = [...keys.values()]
    const stem = random.chance(0.5) ? random.pick(known).subarray(0, random.below(40)) : Buffer.of()
    const tail = random.bytes(1 + random.below(random.chance(0.1) ? 300 : 12))
    add(Buffer.concat([stem, tail]))
  }
  return [...keys.values()].sort(Buffer.compare)
}

beforeAll(async () => {
  console.log(`seed ${seed}`)
  location = locations.create()
  const keys = makeKeys(1_500)
  entries = keys.map((key) => [key, Buffer.concat([key, random.bytes(random.below(200))])])
  const db: Binary = new PartyLevel<Buffer, Buffer>(location, BINARY)
  await db.batch(entries.map(([key, value]) => ({ type: 'put', key, value })))
  await db.close()
})
afterEach(() => clients.end())
afterAll(() => locations.reap())

function open(): Binary {
  return clients.open(location, BINARY as object) as unknown as Binary
}

async function kill(): Promise<void> {
  await until(() => publishedPid(location) !== undefined, 'a daemon')
  const pid = publishedPid(location) as number
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

interface Scan {
  next(): Promise<unknown>
  nextv(size: number): Promise<unknown[]>
  seek(target: Buffer): void
  close(): Promise<void>
}

/** Reads by next and nextv at random, with that many deaths on the way. */
async function readAll(scan: Scan, expected: number, deaths: number): Promise<unknown[]> {
  const kills = Array.from({ length: deaths }, () => random.below(expected + 1))
  kills.sort((a, b) => a - b)
  const read: unknown[] = []
  for (;;) {
    while (kills[0] !== undefined && read.length >= kills[0]) {
      kills.shift()
      // At rest, or while the next demand is on its way.
      if (random.chance(0.5)) await kill()
      else void kill()
    }
    const size = 1 + random.below(random.chance(0.5) ? 5 : 400)
    const isSingle = random.chance(0.3)
    const some = isSingle ? [await scan.next()] : await scan.nextv(size)
    if (some.length === 0 || some[0] === undefined) break
    read.push(...some)
  }
  await scan.close()
  return read
}

function inRange(range: Record<string, Buffer>, [key]: Entry): boolean {
  const { gt, gte, lt, lte } = range
  if (gte !== undefined ? key.compare(gte) < 0 : gt !== undefined && key.compare(gt) <= 0) {
    return false
  }
  return lte !== undefined ? key.compare(lte) <= 0 : lt === undefined || key.compare(lt) < 0
}

function hex(list: unknown[]): unknown[] {
  return list.map((item) =>
    Array.isArray(item) ? hex(item) : Buffer.isBuffer(item) ? item.toString('hex') : item
  )
}

// Every range in both directions, and every kind in both; not all of all, each death takes its time.
const cases = BOUNDS.flatMap((bounds, index) =>
  [false, true].flatMap((reverse) =>
    KINDS.filter((_, kind) => index === 0 || kind === (index + Number(reverse)) % 3).map(
      (kind) => ({ bounds, reverse, kind })
    )
  )
)

describe(`a scan goes on where it was (seed ${seed})`, () => {
  it.each(cases)('$kind of $bounds, reverse: $reverse', async ({ bounds, reverse, kind }) => {
    const db = open()
    const range: Record<string, Buffer> = {}
    for (const [name, place] of Object.entries(bounds)) {
      range[name] = (entries[Math.floor(place * entries.length)] as Entry)[0]
    }
    const all = entries.filter((entry) => inRange(range, entry))
    if (reverse) all.reverse()
    const pick = (list: Entry[]): unknown[] =>
      kind === 'iterator' ? list : list.map(([key, value]) => (kind === 'keys' ? key : value))
    const scan = (options: object): Scan =>
      (db[kind] as (options: object) => Scan).call(db, { ...range, reverse, ...options })
    expect(hex(await readAll(scan({}), all.length, 2))).toEqual(hex(pick(all)))
    const limit = 1 + Math.floor(all.length / 3)
    const some = await readAll(scan({ limit }), Math.min(limit, all.length), 1)
    expect(hex(some)).toEqual(hex(pick(all.slice(0, limit))))
    // From a key that is there, or from just before or behind it.
    const seeking = scan({ highWaterMarkBytes: 1 + random.below(3_000) })
    await seeking.nextv(1 + random.below(50))
    if (random.chance(0.5)) await kill()
    const [near] = random.pick(entries)
    const target = random.chance(0.5) ? near : Buffer.concat([near, Buffer.of(0)])
    seeking.seek(target)
    const rest = !inRange(range, [target, target])
      ? []
      : all.filter(([key]) => (reverse ? key.compare(target) <= 0 : key.compare(target) >= 0))
    expect(hex(await readAll(seeking, rest.length, 1))).toEqual(hex(pick(rest)))
  })

  it('when daemons die every 100 ms', async () => {
    const db = open()
    await db.open()
    let isOver = false
    const reads: Entry[][] = [[], []]
    const killer = (async () => {
      let count = 0
      let before = [0, 0]
      while (!isOver) {
        await sleep(100)
        // One that has not served both would keep a slow machine from ever getting along.
        const isServed = reads.every(
          ({ length }, scan) => length > (before[scan] as number) || length === entries.length
        )
        if (!isServed) continue
        before = reads.map(({ length }) => length)
        await kill()
        count++
      }
      return count
    })()
    const scans = [false, true].map(async (reverse, scan) => {
      const read = reads[scan] as Entry[]
      for await (const entry of db.iterator({ reverse })) {
        read.push(entry)
        if (read.length % 100 === 0) await sleep(60)
      }
      return reverse ? [...read].reverse() : read
    })
    for (const read of await Promise.all(scans)) expect(hex(read)).toEqual(hex(entries))
    isOver = true
    expect(await killer).toBeGreaterThan(2)
  })
})
