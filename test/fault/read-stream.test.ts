// level-read-stream's streams, which know nothing of partyd: over a database whose daemon is killed
// in mid-stream they deliver what they would have delivered.

import { PartyLevel } from '@partyd/client'
import { EntryStream, KeyStream, ValueStream } from 'level-read-stream'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'

interface StreamOptions {
  readonly reverse: boolean
  readonly limit: number
  readonly gte?: string
  readonly lt?: string
  readonly highWaterMark: number
  readonly highWaterMarkBytes: number
}

type Entry = readonly [key: string, value: string]

interface Kind {
  readonly name: string
  create(db: PartyLevel<string, string>, options: StreamOptions): AsyncIterable<unknown>
  expected(entry: Entry): unknown
}

const KINDS: readonly Kind[] = [
  {
    name: 'EntryStream',
    create: (db, options) => new EntryStream<string, string>(db, options),
    expected: ([key, value]) => ({ key, value })
  },
  {
    name: 'KeyStream',
    create: (db, options) => new KeyStream<string>(db, options),
    expected: ([key]) => key
  },
  {
    name: 'ValueStream',
    create: (db, options) => new ValueStream<string, string>(db, options),
    expected: ([, value]) => value
  }
]

/** Streams differ in what they make of an iterator's entries; the limit is the iterator's affair. */
const CASES = KINDS.flatMap((kind) =>
  [false, true].flatMap((reverse) =>
    (kind.name === 'EntryStream' ? [Number.POSITIVE_INFINITY, 1_500] : [1_500]).map((limit) => ({
      name: kind.name,
      kind,
      reverse,
      limit
    }))
  )
)

const clients = new Clients()
const locations = new Locations()
let location = ''

/** In LevelDB's order; enough that a stream has to ask the daemon many times. */
const entries = Array.from({ length: 4_000 }, (_, index): Entry => {
  const key = `${String(index).padStart(5, '0')}${'k'.repeat(index % 7)}`
  return [key, `${key}:${'v'.repeat(index % 300)}`]
})

beforeAll(async () => {
  location = locations.create()
  const db = new PartyLevel<string, string>(location)
  await db.batch(entries.map(([key, value]) => ({ type: 'put', key, value })))
  await db.close()
})
afterEach(() => clients.end())
afterAll(() => locations.reap())

/** @returns whether there was a daemon: what has been read ahead may last until the next one is needed. */
async function kill(): Promise<boolean> {
  const pid = publishedPid(location)
  if (pid === undefined || !isAlive(pid)) return false
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
  return true
}

/** Reads to the end, and kills the daemon whenever so many items have been read. */
async function readThrough(stream: AsyncIterable<unknown>, places: number[]): Promise<unknown[]> {
  const items: unknown[] = []
  let kills = 0
  for await (const item of stream) {
    items.push(item)
    if (places.includes(items.length) && (await kill())) kills++
  }
  expect(kills).toBeGreaterThan(1)
  return items
}

describe('a stream in the middle of which the daemon is killed', () => {
  it.each(CASES)('goes on: $name, reverse: $reverse, limit: $limit', async (options) => {
    const { kind, reverse, limit } = options
    const db = clients.open(location)
    const range = { gte: '00100', lt: '03900' }
    // Small demands, or what has been read ahead lasts for more than one kill.
    const waterMarks = { highWaterMark: 50, highWaterMarkBytes: 2_000 }
    const stream = kind.create(db, { reverse, limit, ...range, ...waterMarks })
    const items = await readThrough(stream, [1, 500, 1_200])
    const inRange = entries.filter(([key]) => key >= range.gte && key < range.lt)
    const ordered = reverse ? inRange.reverse() : inRange
    expect(items).toEqual(ordered.slice(0, limit).map(kind.expected))
  })

  it('goes on in a sublevel, and after a stop', async () => {
    const db = clients.open(location)
    const sublevel = db.sublevel('part')
    await sublevel.batch(entries.slice(0, 500).map(([key, value]) => ({ type: 'put', key, value })))
    const items: unknown[] = []
    for await (const key of new KeyStream<string>(sublevel, { highWaterMark: 10 })) {
      items.push(key)
      if (items.length === 100) await kill()
      if (items.length === 300) await PartyLevel.stop(location)
    }
    expect(items).toEqual(entries.slice(0, 500).map(([key]) => key))
    await sublevel.clear()
  })
})
