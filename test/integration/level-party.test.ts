// level-party's API over a PartyLevel: what interop/level-party.test.ts, which compares the two,
// cannot compare, because level-party has no daemon to lose or does not survive it.

import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import level, { type LevelParty, type LevelPartyOptions } from '@partyd/client/level-party'
import { LIMITS } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { ForeignProcess } from '../harness/foreign-process.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, Locations, publishedPid } from '../harness/locations.js'

const clients = new Clients()
const locations = new Locations()
const databases: LevelParty[] = []
const foreign: ForeignProcess[] = []
afterEach(async () => {
  await clients.end()
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await Promise.all(foreign.splice(0).map((process) => process.kill()))
  await locations.reap()
})

function open(location: string, options: LevelPartyOptions = {}): LevelParty {
  const db = level<string, string>(location, options)
  databases.push(db)
  return db
}

const COUNT = 5000

function key(n: number): string {
  return `key ${String(n).padStart(5, '0')}`
}

/** Long enough for all of them to be many times what is read ahead. */
function value(n: number): string {
  return `value ${n}`.padEnd(200)
}

async function fill(db: LevelParty): Promise<void> {
  const numbers = Array.from({ length: COUNT }, (_, n) => n)
  await db.batch(numbers.map((n) => ({ type: 'put', key: key(n), value: value(n) })))
}

/** Reads a stream to its end; on the way, once, does something. */
async function readAll(stream: Readable, halfway = async () => {}): Promise<unknown[]> {
  const read: unknown[] = []
  for await (const item of stream) {
    read.push(item)
    if (read.length === COUNT / 2) await halfway()
  }
  return read
}

describe('a stream', () => {
  it.each([
    ['forward', false],
    ['in reverse', true]
  ])('goes on %s where it was when the daemon is killed', async (_way, reverse) => {
    const location = locations.create()
    const db = open(location)
    await fill(db)
    const stream = db.createReadStream({ reverse })
    const entries = await readAll(stream, () => killDaemon(location))
    const expected = Array.from({ length: COUNT }, (_, n) => ({ key: key(n), value: value(n) }))
    expect(entries).toEqual(reverse ? expected.reverse() : expected)
    expect(stream.destroyed).toBe(true)
  })

  it('fails when the daemon is killed, without retry', async () => {
    const location = locations.create()
    const db = open(location, { retry: false })
    await fill(db)
    const reading = readAll(db.createReadStream(), () => killDaemon(location))
    await expect(reading).rejects.toMatchObject({
      name: 'ReadError',
      code: 'LEVEL_CONNECTION_LOST'
    })
  })

  it('reads as of when it was made, without retry', async () => {
    const db = open(locations.create(), { retry: false })
    await fill(db)
    const stream = db.createKeyStream({ highWaterMark: 1 })
    await db.clear()
    expect(await readAll(stream)).toHaveLength(COUNT)
  })

  it('waits for its reader', async () => {
    const db = open(locations.create())
    await fill(db)
    const stream = db.createReadStream({ highWaterMark: 10 })
    await once(stream, 'readable')
    expect(stream.readableLength).toBe(10)
    expect(await readAll(stream)).toHaveLength(COUNT)
  })

  it('gives every entry once to a reader that reads from within a data event', async () => {
    const db = open(locations.create())
    await fill(db)
    const stream = db.createKeyStream()
    const keys: unknown[] = []
    stream.on('data', (found) => {
      keys.push(found)
      if (keys.length % 7 === 0) stream.read(0)
    })
    await once(stream, 'close')
    expect(keys).toEqual(Array.from({ length: COUNT }, (_, n) => key(n)))
  })

  it('closes its iterator when it is destroyed, read or not', async () => {
    const db = open(locations.create(), { retry: false })
    await fill(db)
    // Each keeps an iterator open on the daemon, which a session may have so many of.
    for (let n = 0; n <= LIMITS.iteratorsMax; n++) {
      const stream = db.createReadStream()
      if (n % 100 === 0) await once(stream, 'data')
      stream.destroy()
      await once(stream, 'close')
    }
    expect(await readAll(db.createKeyStream())).toHaveLength(COUNT)
  })

  it('ends a pipeline', async () => {
    const db = open(locations.create())
    await fill(db)
    let length = 0
    await pipeline(db.createValueStream({ limit: 100 }), async (values: AsyncIterable<string>) => {
      for await (const text of values) length += text.length
    })
    expect(length).toBe(100 * value(0).length)
  })

  it('fails when the database is closed before its end', async () => {
    const db = open(locations.create())
    await fill(db)
    const stream = db.createReadStream()
    await once(stream, 'data')
    await db.close()
    await expect(readAll(stream)).rejects.toMatchObject({ code: 'LEVEL_ITERATOR_NOT_OPEN' })
  })
})

describe('a database', () => {
  it('is given to a callback when it is open, with options and without', async () => {
    const location = locations.create()
    for (const options of [[], [{ valueEncoding: 'json' }]] as const) {
      const opened = await new Promise<LevelParty>((resolve, reject) => {
        const onOpen = (error: Error | null | undefined, db?: LevelParty): void =>
          error ? reject(error) : resolve(db as LevelParty)
        databases.push(
          options.length === 0 ? level(location, onOpen) : level(location, options[0], onOpen)
        )
      })
      expect(opened).toBe(databases.at(-1))
      expect(opened.isOpen()).toBe(true)
    }
  })

  it('tells of its life by events', async () => {
    const events: string[] = []
    const db = open(locations.create())
    for (const event of ['opening', 'open', 'ready', 'closing', 'closed']) {
      db.on(event, () => events.push(event))
    }
    expect(db.status).toBe('opening')
    await once(db, 'ready')
    await db.close()
    expect([db.isOpen(), db.isClosed(), db.isOperational()]).toEqual([false, true, false])
    await expect(db.get('key')).rejects.toMatchObject({
      name: 'ReadError',
      code: 'LEVEL_DATABASE_NOT_OPEN'
    })
    await new Promise<void>((resolve) => db.open(() => resolve()))
    expect(db.isOpen()).toBe(true)
    expect(events).toEqual(['open', 'ready', 'closing', 'closed', 'opening', 'open', 'ready'])
    await new Promise<void>((resolve) => db.close(() => resolve()))
    await new Promise<void>((resolve) => db.close(() => resolve()))
  })

  it('that cannot be opened says why, by an error event, and to what waited for it', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    foreign.push(holder)
    const db = open(location)
    const waiting = db.get('key')
    waiting.catch(() => {})
    const [error] = await once(db, 'error')
    expect(error).toMatchObject({
      name: 'OpenError',
      code: 'LEVEL_LOCKED',
      cause: { pid: holder.pid, path: location }
    })
    await expect(waiting).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    await expect(db.open()).rejects.toMatchObject({ name: 'OpenError' })
  })

  it('that nobody listens to ends the process if it cannot be opened', async () => {
    const source = `import level from '@partyd/client/level-party'
      level(location, { createIfMissing: false })`
    const { code, stderr } = await clients.run(source, { args: [locations.create()] })
    expect(code).toBe(1)
    expect(stderr).toContain('[OpenError]')
  })

  it('lets what a callback throws end the process', async () => {
    const source = `import level from '@partyd/client/level-party'
      process.on('uncaughtException', (error) => console.log('uncaught', error.message))
      process.on('unhandledRejection', (error) => console.log('unhandled', error.message))
      const db = level(location)
      db.put('key', 'value', () => { throw new Error('put') })
      db.get('none', () => { throw new Error('get') })
      db.iterator().next(() => { throw new Error('next') })`
    const { stdout } = await clients.run(source, { args: [locations.create()] })
    expect(stdout.trim().split('\n').sort()).toEqual([
      'uncaught get',
      'uncaught next',
      'uncaught put'
    ])
  })

  it('finishes what waits for an answer when the daemon is killed', async () => {
    const location = locations.create()
    const db = open(location)
    await db.put('before', 'value')
    process.kill(publishedPid(location) as number, 'SIGSTOP')
    const written = new Promise((resolve) => db.put('key', 'value', resolve))
    const read = new Promise((resolve) => db.get('before', (...args) => resolve(args)))
    await killDaemon(location)
    expect(await written).toBeNull()
    expect(await read).toEqual([null, 'value'])
    expect(findDaemons(location)).toEqual([publishedPid(location)])
  })

  it('takes null for options', async () => {
    const db = await new Promise<LevelParty>((resolve, reject) =>
      level(locations.create(), null, (error, opened) =>
        error ? reject(error) : resolve(opened as LevelParty)
      )
    )
    databases.push(db)
    await db.put('k', 'v')
    expect(await db.get('k')).toBe('v')
  })

  it('is a PartyLevel within, with the same encodings', async () => {
    const location = locations.create()
    const db = level<string, { n: number }>(location, { valueEncoding: 'json' })
    databases.push(db as unknown as LevelParty)
    await db.put('key', { n: 1 })
    expect(await db.partyLevel.get('key')).toEqual({ n: 1 })
    expect(await db.partyLevel.has('none')).toBe(false)
    await db.partyLevel.sublevel('sub').put('key', 'value')
    expect(await clients.open(location).get('key')).toBe('{"n":1}')
  })

  it('refuses the range options that levelup had given up, which would widen the range', async () => {
    const db = open(locations.create())
    for (const options of [{ start: 'a' }, { end: 'b' }] as object[]) {
      expect(() => db.createReadStream(options)).toThrow('Legacy range options')
      expect(() => db.clear(options)).toThrow('Legacy range options')
    }
  })
})

describe('the module', () => {
  it('is the function itself for require()', async () => {
    const source = `import { createRequire } from 'node:module'
      const level = createRequire(process.cwd() + '/')('@partyd/client/level-party')
      const db = new level(location)
      db.put('key', 'value', () => db.get('key', (error, value) => console.log(typeof level, value)))`
    const finished = await clients.run(source, { args: [locations.create()] })
    expect(finished).toMatchObject({ code: 0, stdout: 'function value\n', stderr: '' })
  })
})
