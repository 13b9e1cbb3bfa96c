// classic-level's extras, as promises, and what a daemon says of itself.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { KIND } from '@partyd/shared'
import { ClassicLevel } from 'classic-level'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonCommands } from '../harness/daemon-command.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { RawClient } from '../harness/raw-client.js'

const OLD_DAEMON = new URL('../harness/old-daemon-hook.js', import.meta.url).href
/** Behind everything a user can have, and behind all that partyd has. */
const BEYOND = Buffer.alloc(32, 0xff)

const locations = new Locations()
const commands = new DaemonCommands()
const databases: PartyLevel[] = []

afterEach(async () => {
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await commands.reap()
  await locations.reap()
})

function create(location: string, options: object = {}): PartyLevel {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db)
  return db
}

/** A megabyte that does not compress, in keys from `a000` on. */
async function fill(db: PartyLevel): Promise<void> {
  await db.batch(
    Array.from({ length: 1_000 }, (_, index) => ({
      type: 'put' as const,
      key: `a${String(index).padStart(3, '0')}`,
      value: randomBytes(768).toString('base64')
    }))
  )
}

async function levelCounts(db: PartyLevel): Promise<number[]> {
  const levels = Array.from({ length: 7 }, (_, level) => level)
  return Promise.all(
    levels.map(async (level) => Number(await db.getProperty(`leveldb.num-files-at-level${level}`)))
  )
}

describe('compactRange and approximateSize', () => {
  it('bring the log into tables, and say how large they are', async () => {
    const db = create(locations.create())
    await fill(db)
    expect(await db.approximateSize('a', 'b')).toBe(0)
    expect(await levelCounts(db)).toEqual([0, 0, 0, 0, 0, 0, 0])
    await db.compactRange('a', 'b')
    expect((await levelCounts(db)).reduce((sum, count) => sum + count)).toBeGreaterThan(0)

    const whole = await db.approximateSize('a', 'b')
    const half = await db.approximateSize('a500', 'b')
    expect(whole).toBeGreaterThan(900_000)
    expect(half).toBeGreaterThan(0.4 * whole)
    expect(half).toBeLessThan(0.6 * whole)
    expect(await db.approximateSize('b', 'c')).toBeLessThan(10_000)
    expect(await db.approximateSize('b', 'a')).toBe(0)
  })

  it('give what classic-level gives', async () => {
    const location = locations.create()
    const db = create(location)
    await fill(db)
    await db.compactRange('a', 'b')
    const size = await db.approximateSize('a250', 'a750')
    await PartyLevel.stop(location)
    const classic = new ClassicLevel(location)
    expect(await classic.approximateSize('a250', 'a750')).toBe(size)
    await classic.close()
  })

  it('take keys of other encodings, and wait for the database to be open', async () => {
    const db = create(locations.create())
    const options = { keyEncoding: 'buffer' } as const
    const filled = fill(db)
    const compacted = db.compactRange(Buffer.from('a'), Buffer.from('b'), options)
    await filled
    await compacted
    await db.compactRange<Buffer>(Buffer.from('a'), Buffer.from('b'), options)
    const size = await db.approximateSize('a', 'b')
    expect(await db.approximateSize(Buffer.from('a'), Buffer.from('b'), options)).toBe(size)
  })

  it('end before the keys that partyd hides', async () => {
    const db = create(locations.create())
    const options = { keyEncoding: 'buffer' } as const
    // Behind it in the tables are the generation and this session's record.
    await db.put('a', '1')
    await db.compactRange(Buffer.alloc(0), BEYOND, options)
    const hidden = Buffer.alloc(16, 0xff)
    expect(await db.approximateSize(hidden, BEYOND, options)).toBe(0)
    expect(await db.approximateSize(Buffer.alloc(17, 0xff), BEYOND, options)).toBe(0)
  })

  it.each(['approximateSize', 'compactRange'] as const)(
    '%s wants a start and an end',
    async (name) => {
      const db = create(locations.create())
      const call = db[name].bind(db) as (...args: unknown[]) => Promise<unknown>
      await expect(call()).rejects.toThrow("The arguments 'start' and 'end' are required")
      await expect(call('a')).rejects.toThrow(TypeError)
    }
  )

  it('finish on the next daemon', async () => {
    const location = locations.create()
    const db = create(location)
    await fill(db)
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    const operations = [db.compactRange('a', 'b'), db.approximateSize('a', 'b'), db.info()] as const
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid), 'the end of the daemon')
    expect((await Promise.all(operations))[2].pid).not.toBe(pid)
  })
})

describe('highWaterMarkBytes', () => {
  it('ends a nextv where it does in classic-level', async () => {
    const db = create(locations.create())
    const own = new ClassicLevel(locations.create())
    const entries = Array.from({ length: 2_000 }, (_, index) => ({
      type: 'put' as const,
      key: String(index).padStart(4, '0'),
      value: 'v'.repeat(index % 7)
    }))
    await Promise.all([db.batch(entries), own.batch(entries)])
    for (const highWaterMarkBytes of [0, 1, 3, 4, 5, 50, 2_000, 20_000]) {
      for (const size of [1, 10, 1_000]) {
        const options = { highWaterMarkBytes, gte: '0100' }
        const [given, expected] = await Promise.all([
          db.iterator(options).nextv(size),
          own.iterator(options).nextv(size)
        ])
        expect(given).toEqual(expected)
      }
    }
    await own.close()
  })

  it('of 0 makes every nextv give one entry', async () => {
    const db = create(locations.create())
    await db.batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: 'v' })))
    const iterator = db.keys({ highWaterMarkBytes: 0 })
    for (const key of ['a', 'b', 'c']) expect(await iterator.nextv(10)).toEqual([key])
    expect(await iterator.nextv(10)).toEqual([])
  })
})

describe('getProperty', () => {
  it('gives LevelDB’s words, and nothing for a property that it does not have', async () => {
    const db = create(locations.create())
    expect(await db.getProperty('leveldb.stats')).toContain('Compactions')
    expect(await db.getProperty('leveldb.no-such-thing')).toBe('')
    await expect(db.getProperty(1 as never)).rejects.toThrow(TypeError)
  })
})

describe('info', () => {
  it('says who serves, since when, with what, and what it has done', async () => {
    const location = locations.create()
    const db = create(location, { cacheSize: 1_000_000 })
    await db.open()
    const before = await db.info()
    expect(before).toEqual({
      pid: publishedPid(location),
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      endpoint: join(location, 'partyd.sock'),
      mode: 'auto',
      uptimeMs: expect.any(Number),
      options: expect.objectContaining({ cacheSize: 1_000_000, blockSize: 4096, sync: false }),
      counters: { clients: 1, requests: 0, writes: 0, batches: 0, snapshots: 0 }
    })
    const other = create(location)
    await other.put('a', '1')
    await other.get('a')
    const snapshots = [db.snapshot(), other.snapshot()]
    await Promise.all(snapshots.map((snapshot) => other.has('a').then(() => snapshot)))
    await db.has('a')
    const after = await db.info()
    expect(after.counters).toMatchObject({ clients: 2, writes: 1, batches: 1, snapshots: 2 })
    expect(after.counters.requests).toBeGreaterThanOrEqual(7)
    expect(after.uptimeMs).toBeGreaterThanOrEqual(before.uptimeMs)
    await snapshots[0]?.close()
    expect((await db.info()).counters.snapshots).toBe(1)
  })

  it('counts no snapshot of a client that is gone', async () => {
    const location = locations.create()
    const db = create(location)
    await db.open()
    const client = await RawClient.open(join(location, 'partyd.sock'))
    await client.ask(KIND.snapshotOpen, (frame) => frame.uint32(1))
    await client.ask(KIND.snapshotOpen, (frame) => frame.uint32(2))
    expect((await db.info()).counters.snapshots).toBe(2)
    client.socket.destroy()
    let left = 2
    const deadline = Date.now() + 5_000
    while (left > 0 && Date.now() < deadline) left = (await db.info()).counters.snapshots
    expect(left).toBe(0)
  })

  it('tells a daemon that a person has started', async () => {
    const location = locations.create()
    const { pid } = await commands.serve(location)
    expect(await create(location).info()).toMatchObject({ pid, mode: 'foreground' })
  })
})

it('a closed database and an old daemon refuse all of them', async () => {
  const db = create(locations.create(), { spawn: { args: ['--import', OLD_DAEMON] } })
  const calls = [
    () => db.approximateSize('a', 'b'),
    () => db.compactRange('a', 'b'),
    () => db.getProperty('leveldb.stats'),
    () => db.info()
  ]
  for (const call of calls) {
    await expect(call()).rejects.toMatchObject({ code: 'PARTYD_INCOMPATIBLE' })
  }
  await db.close()
  for (const call of calls) {
    await expect(call()).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
  }
})
