import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { DaemonCommands } from '../harness/daemon-command.js'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { Random } from '../harness/random.js'

// Every kill costs the start of a daemon, which takes long on a busy machine.
vi.setConfig({ testTimeout: 90_000 })

const locations = new Locations()
const commands = new DaemonCommands()
const databases: PartyLevel<never, never>[] = []

function open<K = string, V = string>(location: string, options: object = {}): PartyLevel<K, V> {
  const db = new PartyLevel<K, V>(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db as unknown as PartyLevel<never, never>)
  return db
}

afterEach(async () => {
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await commands.reap()
  await locations.reap()
})

/** Ends the daemon as a crash would. There is none if nobody has wanted one since the last time. */
async function killDaemon(location: string): Promise<void> {
  await until(() => publishedPid(location) !== undefined, 'a daemon')
  const pid = publishedPid(location) as number
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

/** Kills one daemon after the other until told to stop. */
function killAgainAndAgain(location: string, everyMs: number): { stop(): Promise<number> } {
  let isOver = false
  const kills = (async () => {
    let count = 0
    let last: number | undefined
    while (!isOver) {
      await sleep(everyMs)
      const pid = publishedPid(location)
      // partyd.json of the one just killed stays until the next one publishes.
      if (pid === undefined || pid === last || !isAlive(pid) || isOver) continue
      process.kill(pid, 'SIGKILL')
      last = pid
      count++
    }
    return count
  })()
  return {
    stop: () => {
      isOver = true
      return kills
    }
  }
}

describe('killing the daemon, with retry,', () => {
  it('loses no put of a sequence', async () => {
    const location = locations.create()
    const db = open(location)
    for (let index = 0; index < 200; index++) {
      if (index % 40 === 20) await killDaemon(location)
      await db.put(`key ${index}`, `value ${index}`)
    }
    await PartyLevel.stop(location)
    const entries = new Map(await readWithClassicLevel(location))
    for (let index = 0; index < 200; index++) {
      expect(entries.get(`key ${index}`)).toBe(`value ${index}`)
    }
    expect(entries.size).toBe(200)
  })

  it('loses nothing of 64 lanes that put and get', async () => {
    const location = locations.create()
    const db = open(location)
    await db.open()
    const killer = killAgainAndAgain(location, 300)
    const lanes = Array.from({ length: 64 }, async (_, lane) => {
      for (let index = 0; index < 60; index++) {
        const value = `${index} ${'x'.repeat(lane * 10)}`
        await db.put(`lane ${lane}`, value)
        expect(await db.get(`lane ${lane}`)).toBe(value)
        if (index % 10 === 0) await sleep(20)
      }
    })
    await Promise.all(lanes)
    expect(await killer.stop()).toBeGreaterThan(0)
    expect(await db.keys().all()).toHaveLength(64)
  })

  it('loses nothing of a burst that waits for one answer', async () => {
    const location = locations.create()
    const db = open(location)
    await db.open()
    const puts = Array.from({ length: 20_000 }, (_, index) => db.put(`${index}`, `value ${index}`))
    await puts[100]
    await killDaemon(location)
    await Promise.all(puts)
    const entries = await db.iterator().all()
    expect(entries).toHaveLength(20_000)
    for (const [key, value] of entries) expect(value).toBe(`value ${key}`)
  })

  it('loses nothing of a burst that has filled the window', async () => {
    const location = locations.create()
    const db = open(location)
    await db.open()
    // 64 MiB may be unanswered; the rest waits in the client.
    const value = 'v'.repeat(1_000_000)
    const puts = Array.from({ length: 120 }, (_, index) => db.put(`${index}`, value))
    await puts[0]
    await killDaemon(location)
    await Promise.all(puts)
    expect(await db.keys().all()).toHaveLength(120)
  })

  it('is not seen by any kind of operation', async () => {
    const location = locations.create()
    const db = open(location)
    const items = db.sublevel<string, object>('items', { valueEncoding: 'json' })
    await db.put('a', '1')
    const operations: [string, () => Promise<unknown>, unknown][] = [
      ['get', () => db.get('a'), '1'],
      ['get of a missing key', () => db.get('b'), undefined],
      ['getMany', () => db.getMany(['a', 'b']), ['1', undefined]],
      ['has', () => db.has('a'), true],
      ['hasMany', () => db.hasMany(['a', 'b']), [true, false]],
      ['put', () => db.put('c', '3'), undefined],
      ['del', () => db.del('c'), undefined],
      ['batch', () => db.batch([{ type: 'put', key: 'd', value: '4' }]), undefined],
      ['chained batch', () => db.batch().del('d').write(), undefined],
      ['clear', () => db.clear({ gte: 'x' }), undefined],
      ['iterator', () => db.iterator().all(), [['a', '1']]],
      ['put in a sublevel', () => items.put('i', { n: 1 }), undefined],
      ['get in a sublevel', () => items.get('i'), { n: 1 }]
    ]
    for (const [name, run, expected] of operations) {
      // Idle when the daemon dies, and with the operation on its way.
      await killDaemon(location)
      expect([name, await run()]).toEqual([name, expected])
      const running = run()
      await killDaemon(location)
      expect([name, await running]).toEqual([name, expected])
    }
  })
})

/** Keys of one to sixty bytes, some of them beginnings of others, in LevelDB's order. */
function makeKeys(count: number, random: Random): string[] {
  const letters = ['a', 'b', 'c', '0', '~', 'é', '漢']
  const keys = new Set<string>()
  while (keys.size < count) {
    const length = 1 + random.below(20)
    let key = ''
    while (key.length < length) key += random.pick(letters)
    keys.add(key)
  }
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

describe('an iterator in mid-scan', () => {
  const seed = Random.seed()
  const random = new Random(seed)
  const keys = makeKeys(4_000, random)
  const entries = keys.map((key): [string, string] => [key, `${key}:${'v'.repeat(key.length * 5)}`])
  let location = ''

  beforeAll(async () => {
    const source = new Locations()
    location = source.create()
    const db = new PartyLevel(location)
    await db.batch(entries.map(([key, value]) => ({ type: 'put', key, value })))
    await db.close()
    await PartyLevel.stop(location)
    return () => source.reap()
  })

  interface Reader {
    next(): Promise<unknown>
    nextv(size: number): Promise<unknown[]>
    seek(target: never): void
    close(): Promise<void>
  }

  /** Reads to the end; kills the daemon before each of the given reads. */
  async function readThrough(reader: Reader, sizes: number, kills: number[]): Promise<unknown[]> {
    const read: unknown[] = []
    for (;;) {
      if (kills[0] !== undefined && read.length >= kills[0]) {
        kills.shift()
        await killDaemon(location)
      }
      if (sizes === 1) {
        const entry = await reader.next()
        if (entry === undefined) break
        read.push(entry)
      } else {
        const some = await reader.nextv(sizes)
        if (some.length === 0) break
        read.push(...some)
      }
    }
    await reader.close()
    expect(kills).toEqual([])
    return read
  }

  const kinds = {
    iterator: (db: PartyLevel, options: object): Reader => db.iterator(options),
    keys: (db: PartyLevel, options: object): Reader => db.keys(options),
    values: (db: PartyLevel, options: object): Reader => db.values(options)
  }

  function pick(kind: keyof typeof kinds, list: [string, string][]): unknown[] {
    if (kind === 'keys') return list.map(([key]) => key)
    return kind === 'values' ? list.map(([, value]) => value) : list
  }

  const cases = (['iterator', 'keys', 'values'] as const).flatMap((kind) =>
    [false, true].flatMap((reverse) => [1, 61].map((size) => ({ kind, reverse, size })))
  )

  it.each(cases)('goes on behind the last entry: %o', async ({ kind, reverse, size }) => {
    const db = open(location)
    const expected = pick(kind, reverse ? entries.toReversed() : entries)
    const reader = kinds[kind](db, { reverse })
    const kills = [0, 1, 700, 1_500, 3_990]
    expect(`seed ${seed}`).toBeTypeOf('string')
    expect(await readThrough(reader, size, kills)).toEqual(expected)
  })

  it.each([false, true])('keeps to its range and its limit (reverse: %s)', async (reverse) => {
    const db = open(location)
    const inRange = entries.slice(500, 3_501)
    const options = { gte: keys[500] as string, lt: keys[3_501] as string, reverse, limit: 2_000 }
    const expected = (reverse ? inRange.toReversed() : inRange).slice(0, 2_000)
    for (const size of [1, 61]) {
      const kills = [300, 1_500]
      expect(await readThrough(db.iterator(options), size, kills)).toEqual(expected)
    }
    const exclusive = { gt: keys[500] as string, lte: keys[3_500] as string, reverse }
    const rest = entries.slice(501, 3_501)
    const read = await readThrough(db.iterator(exclusive), 61, [1_000])
    expect(read).toEqual(reverse ? rest.toReversed() : rest)
  })

  it.each([false, true])('goes on from where it was seeked to (reverse: %s)', async (reverse) => {
    const db = open(location)
    const iterator = db.iterator({ reverse })
    await iterator.next()
    iterator.seek(keys[2_000] as string)
    await killDaemon(location)
    const expected = reverse ? entries.slice(0, 2_001).toReversed() : entries.slice(2_000)
    expect(await readThrough(iterator, 1, [0, 900])).toEqual(expected)
  })

  it('is not disturbed by being seeked back after a kill', async () => {
    const db = open(location)
    const iterator = db.iterator()
    await iterator.nextv(1_000)
    await killDaemon(location)
    iterator.seek(keys[10] as string)
    expect(await iterator.nextv(5)).toEqual(entries.slice(10, 15))
    await killDaemon(location)
    iterator.seek(keys[3_998] as string)
    expect(await readThrough(iterator, 1, [])).toEqual(entries.slice(3_998))
  })

  it('keeps to its keys as bytes', async () => {
    const db = open<Buffer, Buffer>(location, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
    const read = (await readThrough(db.keys({ reverse: true }), 1, [1_000])) as Buffer[]
    expect(read.map((key) => key.toString())).toEqual(keys.toReversed())
  })

  it('of a sublevel goes on too', async () => {
    const own = locations.create()
    const db = open(own)
    const sublevel = db.sublevel('part')
    await sublevel.batch(entries.map(([key, value]) => ({ type: 'put', key, value })))
    await db.put('zz', 'outside')
    const read: [string, string][] = []
    for await (const entry of sublevel.iterator({ reverse: true })) {
      read.push(entry)
      if (read.length === 1_234) await killDaemon(own)
    }
    expect(read).toEqual(entries.toReversed())
  })

  it('goes on under many kills with several readers', async () => {
    const dbs = [open(location), open(location)]
    const readers = dbs.flatMap((db) => [false, true].map((reverse) => beginScan(db, reverse)))
    const isOver = (): boolean => readers.every(({ status }) => status === 'done')
    let kills = 0
    while (!isOver()) {
      // One that gets nowhere at five daemons in a row may be what kills them.
      const before = readers.map(({ entries }) => entries.length)
      const hasGotOn = ({ status, entries }: RunningScan, index: number): boolean =>
        status === 'done' || entries.length > (before[index] as number) + 500
      await until(() => readers.every(hasGotOn), 'all readers to get on', 60_000)
      if (isOver()) break
      await killDaemon(location)
      kills++
    }
    for (const { reverse, ended, entries: found } of readers) {
      await ended
      expect(reverse ? found.toReversed() : found).toEqual(entries)
    }
    expect(kills).toBeGreaterThan(1)
  })
})

/** A scan that goes on by itself. */
interface RunningScan {
  readonly reverse: boolean
  readonly entries: unknown[]
  status: 'reading' | 'done'
  ended: Promise<void>
}

function beginScan(db: PartyLevel, reverse: boolean): RunningScan {
  const scan: RunningScan = { reverse, entries: [], status: 'reading', ended: Promise.resolve() }
  scan.ended = (async () => {
    for await (const entry of db.iterator({ reverse })) {
      scan.entries.push(entry)
      if (scan.entries.length % 400 === 0) await sleep(50)
    }
  })().finally(() => {
    scan.status = 'done'
  })
  // Awaited only at the end.
  scan.ended.catch(() => {})
  return scan
}

describe('without retry', () => {
  it('pending operations fail and the next ones work', async () => {
    const location = locations.create()
    const db = open(location, { retry: false })
    await db.put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    const pending = [
      db.put('b', '2'),
      db.get('a'),
      db.getMany(['a']),
      db.has('a'),
      db.del('c'),
      db.batch([{ type: 'del', key: 'c' }]),
      db.clear({ gte: 'x' }),
      db.iterator().next(),
      db.keys({ reverse: true }).all()
    ]
    const settled = Promise.allSettled(pending)
    // Lets the frames leave before the daemon dies.
    await sleep(50)
    process.kill(pid, 'SIGKILL')
    const operations: unknown[] = []
    for (const result of await settled) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'LEVEL_CONNECTION_LOST', pid, endpoint: join(location, 'partyd.sock') }
      })
      operations.push((result as PromiseRejectedResult).reason.operation)
    }
    expect(operations).toEqual([
      'put',
      'get',
      'getMany',
      'has',
      'del',
      'batch',
      'clear',
      'iterator',
      'iterator'
    ])
    expect(await db.get('a')).toBe('1')
    await db.put('b', '3')
    expect(await db.get('b')).toBe('3')
    expect(publishedPid(location)).not.toBe(pid)
  })

  it('the next operation works although the client was idle', async () => {
    const location = locations.create()
    const db = open(location, { retry: false })
    await db.put('a', '1')
    for (let round = 0; round < 3; round++) {
      await killDaemon(location)
      // The client has to notice first; until then the operation is one of the pending ones.
      await sleep(100)
      expect(await db.get('a')).toBe('1')
    }
  })

  it('an iterator reads from a snapshot taken when it was made', async () => {
    const location = locations.create()
    const db = open(location, { retry: false })
    const other = open(location)
    await db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'b', value: '2' }
    ])
    await other.open()
    const iterators = [db.iterator(), db.iterator({ reverse: true })]
    const kinds = [db.keys(), db.values()]
    await Promise.all([db.put('c', '3'), db.del('a'), db.put('b', '9')])
    // Another client's write after the snapshot has certainly been taken.
    await other.put('d', '4')
    expect(await iterators[0]?.all()).toEqual([
      ['a', '1'],
      ['b', '2']
    ])
    expect(await iterators[1]?.all()).toEqual([
      ['b', '2'],
      ['a', '1']
    ])
    expect(await kinds[0]?.all()).toEqual(['a', 'b'])
    expect(await kinds[1]?.all()).toEqual(['1', '2'])
    expect(await db.iterator().all()).toEqual([
      ['b', '9'],
      ['c', '3'],
      ['d', '4']
    ])
  })

  it('an iterator sees the writes before it, awaited or not', async () => {
    const db = open(locations.create(), { retry: false })
    await db.open()
    const put = db.put('a', '1')
    const iterator = db.iterator()
    const later = db.put('b', '2')
    expect(await iterator.all()).toEqual([['a', '1']])
    await Promise.all([put, later])
  })

  it('an iterator can be seeked within its snapshot', async () => {
    const db = open(locations.create(), { retry: false })
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: key })))
    const iterator = db.iterator()
    await db.del('b')
    expect(await iterator.next()).toEqual(['a', 'a'])
    iterator.seek('b')
    expect(await iterator.nextv(10)).toEqual([
      ['b', 'b'],
      ['c', 'c']
    ])
    iterator.seek('a')
    expect(await iterator.next()).toEqual(['a', 'a'])
    await iterator.close()
  })

  it.each([
    ['of the constructor', { retry: false }, {}],
    ['of open()', {}, { retry: false }]
  ])('by the option %s, an iterator ends with its daemon', async (_name, made, opened) => {
    const location = locations.create()
    const db = open(location, made)
    await db.open()
    await db.close()
    await db.open(opened)
    expect(db.supports.implicitSnapshots).toBe(true)
    await db.batch(
      Array.from({ length: 2_000 }, (_, n) => ({
        type: 'put',
        key: `${n}`,
        value: 'x'.repeat(200)
      }))
    )
    const iterator = db.iterator()
    await iterator.next()
    await killDaemon(location)
    await expect(iterator.all()).rejects.toMatchObject({ code: 'LEVEL_CONNECTION_LOST' })
    await iterator.close()
    expect(await db.keys().all()).toHaveLength(2_000)
  })
})

describe('session order', () => {
  it.each([true, false])('every get sees the put before it (retry: %s)', async (retry) => {
    const db = open(locations.create(), { retry })
    await db.open()
    const gets: Promise<string | undefined>[] = []
    const puts: Promise<void>[] = []
    for (let index = 0; index < 3_000; index++) {
      puts.push(db.put(`key ${index % 50}`, `${index}`))
      gets.push(db.get(`key ${index % 50}`))
    }
    const values = await Promise.all(gets)
    expect(values).toEqual(Array.from({ length: 3_000 }, (_, index) => `${index}`))
    await Promise.all(puts)
  })

  it('every kind of read sees the writes before it and none behind it', async () => {
    const db = open(locations.create(), { retry: false })
    await db.open()
    const results: Promise<unknown>[] = []
    for (let round = 0; round < 100; round++) {
      const value = `${round}`
      void db.put('k', value)
      results.push(
        db.get('k').then((got) => got === value),
        db.getMany(['k']).then(([got]) => got === value),
        db
          .iterator({ limit: 1 })
          .next()
          .then((entry) => entry?.[1] === value)
      )
      void db.del('k')
      results.push(
        db.has('k').then((has) => !has),
        db.hasMany(['k']).then(([has]) => has === false),
        db
          .keys()
          .all()
          .then((keys) => keys.length === 0)
      )
    }
    const wrong = (await Promise.all(results)).flatMap((isRight, index) =>
      isRight ? [] : [index % 6]
    )
    expect(wrong).toEqual([])
  })

  it('a put behind a clear survives it', async () => {
    const db = open(locations.create())
    await db.batch(
      Array.from({ length: 5_000 }, (_, n) => ({ type: 'put', key: `key ${n}`, value: 'x' }))
    )
    const operations = [db.clear(), db.put('key 7', 'new'), db.get('key 7'), db.get('key 8')]
    expect(await Promise.all(operations)).toEqual([undefined, undefined, 'new', undefined])
    expect(await db.iterator().all()).toEqual([['key 7', 'new']])
  })

  it('a clear behind a put deletes it', async () => {
    const db = open(locations.create())
    await db.open()
    const put = db.put('a', '1')
    const clear = db.clear()
    expect(await db.get('a')).toBe(undefined)
    await Promise.all([put, clear])
  })

  it('a large clear and another client do not get in each other’s way', async () => {
    const location = locations.create()
    const [db, other] = [open(location), open(location)]
    await db.batch(
      Array.from({ length: 5_000 }, (_, n) => ({
        type: 'put',
        key: `a ${n}`,
        value: 'x'.repeat(50)
      }))
    )
    await other.open()
    let isOver = false
    const writing = (async () => {
      let count = 0
      while (!isOver) {
        await other.put(`b ${count}`, 'kept')
        await other.put(`a behind ${count}`, 'perhaps')
        count++
      }
      return count
    })()
    await db.clear({ gte: 'a', lt: 'b' })
    await other.put('a afterwards', 'kept')
    isOver = true
    const count = await writing
    expect(count).toBeGreaterThan(0)
    const left = await db.keys({ gte: 'a', lt: 'b' }).all()
    expect(left.filter((key) => /^a \d/.test(key))).toEqual([])
    expect(left).toContain('a afterwards')
    expect(await db.keys({ gte: 'b' }).all()).toHaveLength(count)
  })

  it('a clear keeps to its limit and direction', async () => {
    const db = open(locations.create())
    const keys = Array.from({ length: 3_000 }, (_, n) => `${n}`.padStart(4, '0'))
    await db.batch(keys.map((key) => ({ type: 'put', key, value: key })))
    await db.clear({ limit: 1_500, reverse: true })
    expect(await db.keys().all()).toEqual(keys.slice(0, 1_500))
    await db.clear({ gt: '0009', limit: 1_200 })
    expect(await db.keys().all()).toEqual([...keys.slice(0, 10), ...keys.slice(1_210, 1_500)])
    await db.clear({ limit: 0 })
    expect(await db.keys().all()).toHaveLength(300)
  })
})

describe('options', () => {
  it('sync, fillCache and highWaterMarkBytes are accepted everywhere', async () => {
    const db = open(locations.create())
    await db.put('a', '1', { sync: true })
    await db.batch([{ type: 'put', key: 'b', value: '2' }], { sync: true })
    await db.batch().put('c', '3').write({ sync: true })
    await db.del('c', { sync: true })
    expect(await db.get('a', { fillCache: false })).toBe('1')
    expect(await db.getMany(['a', 'b'], { fillCache: false })).toEqual(['1', '2'])
    const iterator = db.iterator({ fillCache: true, highWaterMarkBytes: 1 })
    expect(await iterator.all()).toHaveLength(2)
    expect(await db.keys({ highWaterMarkBytes: 1e9, reverse: true }).all()).toEqual(['b', 'a'])
    expect(await db.values({ fillCache: false }).nextv(10)).toEqual(['1', '2'])
  })
})

describe('keys that partyd keeps for itself', () => {
  const reserved = Buffer.alloc(16, 0xff)
  const behind = Buffer.concat([reserved, Buffer.from('x')])
  const last = Buffer.alloc(15, 0xff)
  const nearly = Buffer.concat([last, Buffer.from([0xfe, 0xff])])

  function openBinary(): PartyLevel<Buffer, Buffer> {
    return open(locations.create(), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  }

  it('are refused', async () => {
    const db = openBinary()
    const value = Buffer.from('v')
    for (const key of [reserved, behind]) {
      const refusal = { code: 'PARTYD_RESERVED_KEY' }
      await expect(db.put(key, value)).rejects.toMatchObject({ ...refusal, operation: 'put' })
      await expect(db.del(key)).rejects.toMatchObject({ ...refusal, operation: 'del' })
      const batch = [
        { type: 'put', key: Buffer.from('a'), value },
        { type: 'put', key, value }
      ] as const
      await expect(db.batch([...batch])).rejects.toMatchObject({ ...refusal, operation: 'batch' })
      expect(await db.get(key)).toBe(undefined)
      expect(await db.has(key)).toBe(false)
      expect(await db.getMany([key, last])).toEqual([undefined, undefined])
    }
    expect(await db.keys().all()).toEqual([])
    await db.put(Buffer.from('a'), value)
    expect(await db.keys().all()).toEqual([Buffer.from('a')])
  })

  it('are one byte longer than the longest run that may be used', async () => {
    const db = openBinary()
    const keys = [Buffer.from('a'), last, nearly]
    for (const key of keys) await db.put(key, key)
    expect(await db.getMany(keys)).toEqual(keys)
    expect(await db.keys().all()).toEqual(keys)
    expect(await db.keys({ reverse: true }).all()).toEqual(keys.toReversed())
    for (const bound of [reserved, behind]) {
      for (const range of [{ lt: bound }, { lte: bound }]) {
        expect(await db.keys(range).all()).toEqual(keys)
        expect(await db.keys({ ...range, reverse: true }).all()).toEqual(keys.toReversed())
      }
      for (const range of [{ gt: bound }, { gte: bound }]) {
        expect(await db.keys(range).all()).toEqual([])
        expect(await db.keys({ ...range, reverse: true }).all()).toEqual([])
        await db.clear(range)
      }
      const iterator = db.keys({ reverse: true })
      iterator.seek(bound)
      expect(await iterator.all()).toEqual(keys.toReversed())
      const forward = db.keys()
      forward.seek(bound)
      expect(await forward.all()).toEqual([])
    }
    await db.clear({ gte: last })
    expect(await db.keys().all()).toEqual([keys[0]])
    await db.put(nearly, nearly)
    await db.clear({ reverse: true, limit: 1 })
    expect(await db.keys().all()).toEqual([keys[0]])
    await db.clear()
    expect(await db.keys().all()).toEqual([])
  })
})

describe('closing', () => {
  it('waits for every pending operation', async () => {
    const location = locations.create()
    const db = open(location)
    await db.open()
    const puts = Array.from({ length: 5_000 }, (_, index) => db.put(`${index}`, `${index}`))
    let settled = 0
    for (const put of puts) void put.then(() => settled++)
    await db.close()
    expect(settled).toBe(5_000)
    await PartyLevel.stop(location)
    expect(await readWithClassicLevel(location)).toHaveLength(5_000)
  })

  it('waits for operations that wait for the next daemon', async () => {
    const location = locations.create()
    const db = open(location)
    await db.put('a', '1')
    await killDaemon(location)
    const put = db.put('b', '2')
    await db.close()
    await put
    expect(await open(location).get('b')).toBe('2')
  })

  it('and opening again works, also with the daemon gone in between', async () => {
    const location = locations.create()
    const db = open(location)
    for (let round = 0; round < 6; round++) {
      await db.put(`${round}`, 'x')
      await db.close()
      expect(db.status).toBe('closed')
      await expect(db.get('0')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
      if (round % 3 === 1) await PartyLevel.stop(location)
      if (round % 3 === 2) await killDaemon(location)
      await db.open()
    }
    expect(await db.keys().all()).toHaveLength(6)
  })

  it('with the daemon gone does not start one', async () => {
    const location = locations.create()
    const db = open(location)
    await db.put('a', '1')
    await killDaemon(location)
    await db.close()
    expect(findDaemons(location)).toEqual([])
  })
})

// 44
describe('a batch that LevelDB fails to write', () => {
  /** Serves with a limit on the size of files, which LevelDB's log runs into. */
  async function serveLimited(location: string): Promise<ReturnType<DaemonCommands['start']>> {
    return commands.serve(location, [], { wrapper: ['prlimit', '--fsize=2000000'] })
  }

  function exitRecord(location: string): Record<string, unknown> {
    return JSON.parse(readFileSync(join(location, 'partyd.exit.json'), 'utf8'))
  }

  it.each([false, true])('ends the daemon with 23, unanswered (sync: %s)', async (sync) => {
    const location = locations.create()
    const daemon = await serveLimited(location)
    const db = open(location, { retry: false, autospawn: false })
    const acknowledged: string[] = []
    const failures: unknown[] = []
    let isOver = false
    const lanes = Array.from({ length: 16 }, async (_, lane) => {
      for (let index = 0; !isOver; index++) {
        const key = `lane ${lane} ${index}`
        try {
          await db.put(key, key.repeat(300), { sync })
          acknowledged.push(key)
        } catch (error) {
          failures.push(error)
          isOver = true
        }
      }
    })
    await Promise.all(lanes)
    expect(await daemon.ended).toEqual({ code: 23, signal: null })
    expect(failures.length).toBeGreaterThan(0)
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'LEVEL_CONNECTION_LOST' })
    }
    expect(exitRecord(location)).toMatchObject({ schema: 1, code: 23, pid: daemon.pid })
    expect(exitRecord(location)['reason']).toContain('failed to write')
    expect(daemon.stderr).toContain('failed to write')
    const entries = new Map(await readWithClassicLevel(location))
    const lost = acknowledged.filter((key) => entries.get(key) !== key.repeat(300))
    expect(lost).toEqual([])
    expect(acknowledged.length).toBeGreaterThan(100)
  })

  it('is gone through by clients with retry once there is room again', async () => {
    const location = locations.create()
    const daemon = await serveLimited(location)
    const clients = [open(location), open(location)]
    const keys: string[] = []
    await Promise.all(
      clients.map(async (db, client) => {
        for (let index = 0; index < 500; index++) {
          const key = `client ${client} ${index}`
          await db.put(key, key.repeat(200))
          keys.push(key)
        }
      })
    )
    expect((await daemon.ended).code).toBe(23)
    expect(publishedPid(location)).not.toBe(daemon.pid)
    await PartyLevel.stop(location)
    const entries = new Map(await readWithClassicLevel(location))
    expect(keys.filter((key) => entries.get(key) !== key.repeat(200))).toEqual([])
    expect(entries.size).toBe(1_000)
    expect(existsSync(join(location, 'partyd.exit.json'))).toBe(false)
  })

  it('is survived by the acknowledged writes after a further kill -9', async () => {
    const location = locations.create()
    const daemon = await serveLimited(location)
    const db = open(location)
    const keys: string[] = []
    while (daemon.isRunning) {
      const key = `${keys.length}`.padStart(6, '0')
      await db.put(key, key.repeat(500))
      keys.push(key)
    }
    for (let index = 0; index < 50; index++) {
      await db.put(`later ${index}`, 'x')
      keys.push(`later ${index}`)
    }
    await killDaemon(location)
    expect(new Set(await db.keys().all())).toEqual(new Set(keys))
  })

  it('is told to those who wait while there is no room', async () => {
    const location = locations.create()
    // The daemons that the client starts are limited as well, so that none of them gets far.
    const db = open(location, {
      spawn: {
        execPath: 'prlimit',
        args: ['--fsize=1000000', process.execPath]
      },
      retryTimeoutMs: 5_000
    })
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => db.put(`${index}`, 'x'.repeat(200_000)))
    )
    const failed = results.filter(({ status }) => status === 'rejected')
    for (const result of failed) {
      expect((result as PromiseRejectedResult).reason.code).toMatch(/^(PARTYD|LEVEL)_/)
    }
    const stored = await db.keys().all()
    for (const [index, { status }] of results.entries()) {
      if (status === 'fulfilled') expect(stored).toContain(`${index}`)
    }
  })
})
