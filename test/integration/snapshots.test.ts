// Explicit snapshots on real daemons: what they see, whom they end with, and what an operation on
// one that is lost says.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { ITERATOR_FLAGS, KIND, LIMITS, READ_FLAGS } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { mortalSpawn } from '../harness/mortal-daemon.js'
import { run } from '../harness/program.js'
import { encodeFrame, type Frame, RawClient } from '../harness/raw-client.js'

const OLD_DAEMON = new URL('../harness/old-daemon-hook.js', import.meta.url).href

const locations = new Locations()
const databases: PartyLevel[] = []

afterEach(async () => {
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await locations.reap()
})

async function open(location: string, options: object = {}): Promise<PartyLevel> {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db)
  await db.open()
  return db
}

async function killDaemon(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

/** `count` keys of the same length, so that they sort by number. */
async function fill(db: PartyLevel, count: number): Promise<void> {
  await db.batch(keysOf(count).map((key) => ({ type: 'put', key, value: `value of ${key}` })))
}

function keysOf(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index).padStart(6, '0'))
}

/** Operations that read from a snapshot, each with what it gives on one of { a: '1', b: '2' }. */
const READS: [name: string, read: (db: PartyLevel, snapshot: never) => unknown, result: unknown][] =
  [
    ['get', (db, snapshot) => db.get('a', { snapshot }), '1'],
    ['getMany', (db, snapshot) => db.getMany(['b', 'c', 'a'], { snapshot }), ['2', undefined, '1']],
    ['has', (db, snapshot) => db.has('a', { snapshot }), true],
    ['hasMany', (db, snapshot) => db.hasMany(['a', 'c'], { snapshot }), [true, false]],
    [
      'iterator',
      (db, snapshot) => db.iterator({ snapshot }).all(),
      [
        ['a', '1'],
        ['b', '2']
      ]
    ],
    ['keys', (db, snapshot) => db.keys({ snapshot, reverse: true }).all(), ['b', 'a']],
    ['values', (db, snapshot) => db.values({ snapshot, gt: 'a' }).all(), ['2']]
  ] // prettier-ignore

describe.each([true, false])('a snapshot, with retry: %s,', (retry) => {
  it.each(READS)('is what %s reads from', async (_name, read, result) => {
    const db = await open(locations.create(), { retry })
    await db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'b', value: '2' }
    ])
    const snapshot = db.snapshot()
    await db.batch([
      { type: 'put', key: 'a', value: 'new' },
      { type: 'del', key: 'b' },
      { type: 'put', key: 'c', value: 'new' }
    ])
    expect(await read(db, snapshot as never)).toEqual(result)
    await snapshot.close()
  })

  it('has its place among operations that nobody has awaited', async () => {
    const db = await open(locations.create(), { retry })
    const pending: Promise<unknown>[] = []
    const found: unknown[] = []
    for (let turn = 0; turn < 200; turn++) {
      pending.push(db.put('key', `${turn}`))
      const snapshot = db.snapshot()
      pending.push(db.put('key', 'later'))
      const read = turn % 2 === 0 ? db.get('key', { snapshot }) : first(db, snapshot as never)
      pending.push(
        read.then((value) => {
          found[turn] = value
        })
      )
      pending.push(snapshot.close())
    }
    await Promise.all(pending)
    expect(found).toEqual(Array.from({ length: 200 }, (_, turn) => `${turn}`))
  })

  it('deletes by clear what it has, and nothing written since, before what comes behind', async () => {
    const db = await open(locations.create(), { retry })
    await fill(db, 2_500)
    const snapshot = db.snapshot()
    await db.put('000000 new', 'stays')
    const cleared = db.clear({ snapshot })
    const put = db.put('000001', 'written behind the clear')
    await Promise.all([cleared, put, snapshot.close()])
    expect(await db.iterator().all()).toEqual([
      ['000000 new', 'stays'],
      ['000001', 'written behind the clear']
    ])
  })

  it('clears as many as the limit says, in reverse', async () => {
    const db = await open(locations.create(), { retry })
    await fill(db, 2_500)
    const snapshot = db.snapshot()
    await fill(db, 3_000)
    await db.clear({ snapshot, reverse: true, limit: 1_500, gte: '000100' })
    expect(await db.keys().all()).toEqual([...keysOf(1_000), ...keysOf(500, 2_500)])
  })

  it('is one for all sublevels', async () => {
    const db = await open(locations.create(), { retry })
    const users = db.sublevel<string, { n: number }>('users', { valueEncoding: 'json' })
    await users.put('ada', { n: 1 })
    const snapshot = users.snapshot()
    await users.put('ada', { n: 2 })
    await users.put('bob', { n: 3 })
    expect(await users.get('ada', { snapshot })).toEqual({ n: 1 })
    expect(await users.iterator({ snapshot }).all()).toEqual([['ada', { n: 1 }]])
    expect(await db.keys({ snapshot }).all()).toEqual(['!users!ada'])
    await users.clear({ snapshot })
    expect(await users.keys().all()).toEqual(['bob'])
    await snapshot.close()
  })

  it('hides what partyd keeps in the database', async () => {
    const db = await open(locations.create(), { retry })
    await db.put('a', '1')
    const snapshot = db.snapshot()
    const hidden = Buffer.concat([Buffer.alloc(16, 0xff), Buffer.from('partydg')])
    const options = { snapshot, keyEncoding: 'buffer' } as const
    expect(await db.keys({ snapshot }).all()).toEqual(['a'])
    expect(await db.has<Buffer>(hidden, options)).toBe(false)
    expect(await db.get<Buffer, string>(hidden, options)).toBe(undefined)
    expect(await db.getMany<Buffer, string>([hidden], options)).toEqual([undefined])
  })

  it('may be sought in, and serves many iterators', async () => {
    const db = await open(locations.create(), { retry })
    await fill(db, 5_000)
    const snapshot = db.snapshot()
    await db.clear()
    const iterators = [db.keys({ snapshot }), db.keys({ snapshot })] as const
    expect(await iterators[0].next()).toBe('000000')
    iterators[1].seek('004000')
    iterators[0].seek('003000')
    expect(await iterators[0].all()).toEqual(keysOf(2_000, 3_000))
    expect(await iterators[1].all()).toEqual(keysOf(1_000, 4_000))
  })

  it('is closed when the operations on it are done', async () => {
    const db = await open(locations.create(), { retry })
    await db.put('a', '1')
    const snapshot = db.snapshot()
    const value = db.get('a', { snapshot })
    let isClosed = false
    const closed = snapshot.close().then(() => {
      isClosed = true
    })
    expect(await value).toBe('1')
    await closed
    expect(isClosed).toBe(true)
    await expect(db.get('a', { snapshot })).rejects.toMatchObject({
      code: 'LEVEL_SNAPSHOT_NOT_OPEN'
    })
  })

  it('is closed with the database', async () => {
    const db = await open(locations.create(), { retry })
    const snapshot = db.snapshot()
    await db.close()
    await db.open()
    await expect(db.get('a', { snapshot })).rejects.toMatchObject({
      code: 'LEVEL_SNAPSHOT_NOT_OPEN'
    })
  })

  it('of another database is refused', async () => {
    const db = await open(locations.create(), { retry })
    const snapshot = (await open(locations.create(), { retry })).snapshot()
    await expect(db.get('a', { snapshot })).rejects.toThrow(TypeError)
  })

  it.each(READS)('that is lost with its daemon fails %s', async (_name, read) => {
    const location = locations.create()
    const db = await open(location, { retry })
    await db.put('a', '1')
    const snapshot = db.snapshot()
    await db.get('a', { snapshot })
    await killDaemon(location)
    await expect(read(db, snapshot as never)).rejects.toMatchObject({
      code: 'PARTYD_SNAPSHOT_LOST'
    })
    // Nor does it come back with the next daemon, and the database is as usable as ever.
    if (retry) expect(await db.get('a')).toBe('1')
    await expect(read(db, snapshot as never)).rejects.toMatchObject({
      code: 'PARTYD_SNAPSHOT_LOST'
    })
    await snapshot.close()
  })

  it('that is lost fails clear, which then deletes nothing', async () => {
    const location = locations.create()
    const db = await open(location, { retry })
    await db.put('a', '1')
    const snapshot = db.snapshot()
    await db.get('a', { snapshot })
    await killDaemon(location)
    await expect(db.clear({ snapshot })).rejects.toMatchObject({ code: 'PARTYD_SNAPSHOT_LOST' })
    await db.close()
    await db.open()
    expect(await db.get('a')).toBe('1')
  })

  it('that is lost ends an iterator in the middle', async () => {
    const location = locations.create()
    const db = await open(location, { retry })
    await fill(db, 20_000)
    const snapshot = db.snapshot()
    const iterator = db.keys({ snapshot })
    await iterator.nextv(10)
    await killDaemon(location)
    await expect(iterator.all()).rejects.toMatchObject({ code: 'PARTYD_SNAPSHOT_LOST' })
  })

  it('ends with a daemon that is stopped', async () => {
    const location = locations.create()
    const db = await open(location, { retry })
    await db.put('a', '1')
    const snapshot = db.snapshot()
    await PartyLevel.stop(location)
    await expect(db.get('a', { snapshot })).rejects.toMatchObject({ code: 'PARTYD_SNAPSHOT_LOST' })
    // To learn that nobody needs a daemon.
    expect(publishedPid(location)).toBe(undefined)
  })

  it('is none where it is null', async () => {
    const db = await open(locations.create(), { retry })
    await db.put('a', '1')
    const options = { snapshot: null as never }
    expect(await db.get('a', options)).toBe('1')
    expect(await db.keys(options).all()).toEqual(['a'])
  })

  it('beyond the number allowed fails what uses it', async () => {
    const db = await open(locations.create(), { retry })
    await db.put('a', '1')
    const snapshots = Array.from({ length: LIMITS.snapshotsMax }, () => db.snapshot())
    const last = snapshots.at(-1)
    expect(await db.get('a', { snapshot: last })).toBe('1')
    const surplus = db.snapshot()
    const refused = { code: 'PARTYD_TOO_MANY_PENDING' }
    await expect(db.get('a', { snapshot: surplus })).rejects.toMatchObject(refused)
    await expect(db.keys({ snapshot: surplus }).all()).rejects.toMatchObject(refused)
    await expect(db.clear({ snapshot: surplus })).rejects.toMatchObject(refused)
    // Asked for before it is known that it was refused.
    const another = db.snapshot()
    const iterators = [
      db.iterator({ snapshot: another }).next(),
      db.keys({ snapshot: another }).nextv(10),
      db.values({ snapshot: another }).all()
    ]
    for (const answer of iterators) await expect(answer).rejects.toMatchObject(refused)
    await snapshots[0]?.close()
    expect(await db.get('a', { snapshot: db.snapshot() })).toBe('1')
  })

  it('of a daemon that knows none fails what uses it, and clears nothing', async () => {
    const spawn = { args: ['--import', OLD_DAEMON] }
    const db = await open(locations.create(), { retry, spawn })
    await db.put('a', '1')
    const snapshot = db.snapshot()
    const refused = { code: 'PARTYD_INCOMPATIBLE' }
    const operations = [
      db.clear({ snapshot }),
      db.get('a', { snapshot }),
      db.keys({ snapshot }).all()
    ]
    for (const operation of operations) await expect(operation).rejects.toMatchObject(refused)
    await expect(db.clear({ snapshot })).rejects.toMatchObject(refused)
    expect(await db.get('a')).toBe('1')
  })
})

async function first(db: PartyLevel, snapshot: never): Promise<unknown> {
  const [value] = await db.values({ snapshot, limit: 1 }).all()
  return value
}

describe('a clear of a snapshot whose daemon dies', () => {
  /** A database of 3,000 keys, and a daemon that dies as soon as the second thousand is deleted. */
  async function openMortal(options: object): Promise<[PartyLevel, string]> {
    const location = locations.create()
    await fill(await open(location), 3_000)
    await PartyLevel.stop(location)
    const marker = join(locations.create(), 'died')
    const spawn = mortalSpawn({ at: 'after', key: '001500', marker })
    return [await open(location, { spawn, ...options }), location]
  }

  it('says how far it came', async () => {
    const [db] = await openMortal({})
    const last = `0x${Buffer.from('001999').toString('hex')}`
    const snapshot = db.snapshot()
    const cleared = db.clear({ snapshot })
    // In session order behind it, and done however it ends.
    const put = db.put('000500', 'new')
    await expect(cleared).rejects.toMatchObject({
      code: 'PARTYD_SNAPSHOT_LOST',
      operation: 'clear',
      message: expect.stringContaining(`deleted 2000 keys, the last one ${last}.`)
    })
    await put
    expect(await db.keys().all()).toEqual(['000500', ...keysOf(1_000, 2_000)])
  })

  it('fails without retry', async () => {
    const [db] = await openMortal({ retry: false })
    const snapshot = db.snapshot()
    await expect(db.clear({ snapshot })).rejects.toMatchObject({ code: 'PARTYD_SNAPSHOT_LOST' })
    await db.close()
    await db.open()
    expect(await db.keys().all()).toEqual(keysOf(1_000, 2_000))
  })
})

describe('a snapshot that nobody closes', () => {
  it('is released when it is collected as garbage', async () => {
    const source = `
      const db = new PartyLevel(location, { idleTimeoutMs: 0 })
      await db.put('a', '1')
      const take = () => { for (let n = 0; n < ${LIMITS.snapshotsMax}; n++) db.snapshot() }
      take()
      const deadline = Date.now() + 10_000
      for (;;) {
        gc()
        await new Promise(setImmediate)
        const snapshot = db.snapshot()
        try {
          console.log(await db.get('a', { snapshot }))
          break
        } catch (error) {
          if (error.code !== 'PARTYD_TOO_MANY_PENDING' || Date.now() > deadline) throw error
        }
      }
      await db.close()`
    const options = { args: [locations.create()], nodeArgs: ['--expose-gc'] }
    expect(await run(source, options)).toMatchObject({ stdout: '1\n', stderr: '', code: 0 })
  })

  it('keeps no process alive', async () => {
    const source = `
      const db = new PartyLevel(location, { idleTimeoutMs: 0 })
      await db.open()
      db.snapshot()`
    const { code, ms } = await run(source, { args: [locations.create()] })
    expect(code).toBe(0)
    expect(ms).toBeLessThan(10_000)
  })
})

describe('snapshots on the wire', () => {
  it('end with their connection, and their numbers mean nothing on another', async () => {
    const location = locations.create()
    const db = await open(location)
    await db.put('a', '1')
    const endpoint = join(location, 'partyd.sock')
    const holder = await RawClient.open(endpoint)
    await holder.ask(KIND.snapshotOpen, (frame) => frame.uint32(7))
    const other = await RawClient.open(endpoint)
    const answer = await other.ask(KIND.get, (frame) => {
      frame.uint8(2)
      frame.uint32(7)
      frame.tail('a')
    })
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'PARTYD_SNAPSHOT_LOST' })
    holder.socket.destroy()
    other.socket.destroy()
  })

  it('that are not held answer each demand of an iterator, and cost nothing', async () => {
    const location = locations.create()
    await open(location)
    const client = await RawClient.open(join(location, 'partyd.sock'))
    // More demands than a session may have unanswered, if they were not.
    for (let number = 1; number <= 200; number++) {
      const answer = await client.ask(KIND.iteratorOpen, (frame) => {
        frame.uint32(number)
        frame.uint8(ITERATOR_FLAGS.keys | ITERATOR_FLAGS.snapshot)
        frame.uint32(0)
        frame.uint32(99)
        frame.uint8(0)
        frame.uint32(131_072)
        frame.uint32(10)
      })
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'PARTYD_SNAPSHOT_LOST' })
    }
    client.socket.destroy()
  })

  it('closed in the middle of a getMany stay until it is answered', async () => {
    const location = locations.create()
    const db = await open(location)
    const keys = Array.from({ length: 120 }, (_, index) => `key ${index}`)
    const batch = (value: string): Promise<void> =>
      db.batch(keys.map((key) => ({ type: 'put', key, value })))
    await batch('old'.repeat(50_000))
    await db.getMany(keys) // From here on the daemon knows that values are large, and reads a few at a time.
    const client = await RawClient.open(join(location, 'partyd.sock'))
    client.socket.pause()
    client.send(
      encodeFrame(KIND.snapshotOpen, 1, (frame) => frame.uint32(7)),
      encodeFrame(KIND.getMany, 2, (frame) => {
        frame.uint8(READ_FLAGS.snapshot)
        frame.uint32(7)
        frame.uint32(keys.length)
        for (const key of keys) frame.bytes(key)
      }),
      encodeFrame(KIND.snapshotClose, 3, (frame) => frame.uint32(7))
    )
    await sleep(200)
    await batch('new'.repeat(50_000))
    client.socket.resume()
    const answers: string[] = []
    for (let last = false; !last; ) {
      const { kind, id, body } = (await client.next()) as Frame
      if (id !== 2) continue
      answers.push(body.toString('latin1'))
      last = kind !== KIND.values || body[0] === 0
    }
    // All of one moment, or the error that says that it is over.
    expect(answers.join('')).not.toContain('new')
    client.socket.destroy()
  })

  it('are opened once by each number', async () => {
    const location = locations.create()
    await open(location)
    const client = await RawClient.open(join(location, 'partyd.sock'))
    await client.ask(KIND.snapshotOpen, (frame) => frame.uint32(7))
    await expect(client.ask(KIND.snapshotOpen, (frame) => frame.uint32(7))).rejects.toThrow(
      'opened twice'
    )
  })
})
