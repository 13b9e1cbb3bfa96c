// Checks and writes in one step, by one or several clients of a daemon that stays alive. What its death
// does to them is in test/fault/atomic.test.ts.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { describe, expect, it, vi } from 'vitest'
import { ForeignProcess } from '../harness/foreign-process.js'
import { mortalSpawn } from '../harness/mortal-daemon.js'
import { setUp } from '../harness/set-up.js'

vi.setConfig({ testTimeout: 60_000 })

const { clients, locations } = setUp()

const OLD_DAEMON = new URL('../harness/old-daemon-hook.js', import.meta.url).href
const HIDDEN = Buffer.alloc(16, 0xff)

/** How many batches LevelDB was given, by a file with a line for each. */
function countBatches(file: string): number {
  return readFileSync(file, 'utf8').trim().split('\n').length
}

describe.each([true, false])('an atomic, with retry %s,', (retry) => {
  function open(): PartyLevel<string, string> {
    return clients.open(locations.create(), { retry })
  }

  it('writes when its checks hold, and nothing when one does not', async () => {
    const db = open()
    await db.put('a', '1')
    const first = db.atomic().check('a', '1').check('b', undefined).put('b', '2').del('a')
    expect(await first.commit()).toBe(true)
    expect(await db.getMany(['a', 'b'])).toEqual([undefined, '2'])
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['b', undefined],
      ['b', ''],
      ['b', '22']
    ] as const) {
      const atomic = db.atomic().check('b', '2').check(key, value).put('c', '3').del('b')
      expect(await atomic.commit()).toBe(false)
    }
    expect(await db.iterator().all()).toEqual([['b', '2']])
  })

  it('without checks is a batch, and without operations only looks', async () => {
    const db = open()
    expect(await db.atomic().put('a', '1').put('a', '2').commit({ sync: true })).toBe(true)
    expect(await db.atomic().check('a', '2').commit()).toBe(true)
    expect(await db.atomic().check('a', '1').commit()).toBe(false)
    expect(await db.atomic().commit()).toBe(true)
    expect(await db.get('a')).toBe('2')
  })

  it('takes its place among the operations of its session', async () => {
    const db = open()
    await db.open()
    const results = await Promise.all([
      db.put('a', '1'),
      db.atomic().check('a', '1').put('a', '2').commit(),
      db.get('a'),
      db.atomic().check('a', '1').put('a', '3').commit(),
      db.atomic().check('a', '2').put('a', '4').commit(),
      db.clear(),
      db.atomic().check('a', undefined).put('b', '5').commit(),
      db.del('b'),
      db.atomic().check('b', undefined).put('c', '6').commit(),
      db.iterator().all()
    ])
    expect(results).toEqual([
      undefined,
      true,
      '2',
      false,
      true,
      undefined,
      true,
      undefined,
      true,
      [['c', '6']]
    ])
  })
})

describe('an atomic', () => {
  it('compares bytes, in the encodings of the database, the sublevel or the operation', async () => {
    const location = locations.create()
    const db = new PartyLevel<string, unknown>(location, { valueEncoding: 'json' })
    await db.put('a', { n: 1 })
    expect(await db.atomic().check('a', { n: 1 }).put('a', [2]).commit()).toBe(true)
    const asText = { valueEncoding: 'utf8' }
    expect(await db.atomic().check('a', '[2]', asText).put('b', 'text', asText).commit()).toBe(true)
    const asBytes = { keyEncoding: 'buffer', valueEncoding: 'view' }
    const bytes = Buffer.from([0xff, 0xfe])
    const view = new Uint8Array([0x80, 0])
    const atomic = db.atomic().check(bytes, undefined, asBytes).put(bytes, view, asBytes)
    expect(await atomic.commit()).toBe(true)
    expect(await db.atomic().check(bytes, view, asBytes).commit()).toBe(true)
    // As text both would be the same two replacement characters.
    const other = new Uint8Array([0x81, 0])
    expect(await db.atomic().check(bytes, other, asBytes).commit()).toBe(false)
    expect(await db.get('b', asText)).toBe('text')
    await db.close()
  })

  it('reaches into sublevels from the database, and out of them', async () => {
    const db = clients.open(locations.create())
    const users = db.sublevel<string, object>('users', { valueEncoding: 'json' })
    const nested = users.sublevel('nested')
    const other = db.sublevel<Buffer, string>('other', { keyEncoding: 'buffer' })
    // At once: neither the database nor a sublevel is open yet.
    const first = nested.atomic().check('k', undefined).put('k', 'v')
    expect(await first.put('u', { n: 1 }, { sublevel: users }).commit()).toBe(true)
    const atomic = db
      .atomic()
      .check('u', { n: 1 }, { sublevel: users })
      .check('k', 'v', { sublevel: nested })
      .put(Buffer.from('o'), '1', { sublevel: other })
      .put('root', '2')
      .del('u', { sublevel: users })
    expect(await atomic.commit()).toBe(true)
    expect(await db.iterator().all()).toEqual([
      ['!other!o', '1'],
      ['!users!!nested!k', 'v'],
      ['root', '2']
    ])
    const foreign = clients.open(locations.create()).sublevel('users')
    expect(() => db.atomic().del('k', { sublevel: foreign })).toThrow(TypeError)
  })

  it('can be committed once', async () => {
    const db = clients.open(locations.create())
    const atomic = db.atomic().put('a', '1')
    expect(atomic.db).toBe(db)
    const committed = atomic.commit()
    const closed = { code: 'LEVEL_BATCH_NOT_OPEN' }
    await expect(atomic.commit()).rejects.toMatchObject(closed)
    expect(await committed).toBe(true)
    await expect(atomic.commit()).rejects.toMatchObject(closed)
    expect(() => atomic.check('a', '1')).toThrow(expect.objectContaining(closed))
    expect(() => atomic.put('a', '1')).toThrow(expect.objectContaining(closed))
    expect(() => atomic.del('a')).toThrow(expect.objectContaining(closed))
  })

  it('takes the keys and values that abstract-level takes', async () => {
    const db = clients.open(locations.create())
    const atomic = db.atomic()
    for (const none of [null, undefined] as unknown as string[]) {
      const invalidKey = expect.objectContaining({ code: 'LEVEL_INVALID_KEY' })
      expect(() => atomic.check(none, 'v')).toThrow(invalidKey)
      expect(() => atomic.put(none, 'v')).toThrow(invalidKey)
      expect(() => atomic.del(none)).toThrow(invalidKey)
      const invalidValue = expect.objectContaining({ code: 'LEVEL_INVALID_VALUE' })
      expect(() => atomic.put('k', none)).toThrow(invalidValue)
    }
    expect(() => atomic.check('k', null as unknown as string)).toThrow(
      expect.objectContaining({ code: 'LEVEL_INVALID_VALUE' })
    )
    expect(await atomic.put('', '').commit()).toBe(true)
    expect(await db.get('')).toBe('')
  })

  it('sees no hidden key and writes none', async () => {
    const location = locations.create()
    const db = new PartyLevel<Buffer, string>(location, { keyEncoding: 'buffer' })
    await db.put(Buffer.from('a'), '1')
    const generation = Buffer.concat([HIDDEN, Buffer.from('partydg')])
    expect(await db.atomic().check(generation, undefined).commit()).toBe(true)
    expect(await db.atomic().check(generation, 'x').commit()).toBe(false)
    const refused = { code: 'PARTYD_RESERVED_KEY' }
    const writing = db.atomic().put(Buffer.from('b'), '2').put(generation, 'x').commit()
    await expect(writing).rejects.toMatchObject(refused)
    await expect(db.atomic().del(HIDDEN).commit()).rejects.toMatchObject(refused)
    expect(await db.keys().all()).toEqual([Buffer.from('a')])
    await db.close()
  })

  it('waits for the database to open, and learns why it does not', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    try {
      const db = clients.open(location)
      const waiting = [
        db.atomic().put('a', '1').commit(),
        db.sublevel('s').atomic().put('a', '1').commit()
      ]
      for (const operation of waiting) {
        await expect(operation).rejects.toMatchObject({
          code: 'LEVEL_DATABASE_NOT_OPEN',
          cause: { code: 'LEVEL_LOCKED', pid: holder.pid }
        })
      }
    } finally {
      await holder.kill()
    }
  })

  it('fails on a closed database, and on a closed sublevel', async () => {
    const db = clients.open(locations.create())
    const sublevel = db.sublevel('s')
    await sublevel.open()
    const [early, inSublevel] = [db.atomic().put('a', '1'), sublevel.atomic().put('a', '1')]
    await sublevel.close()
    const notOpen = { code: 'LEVEL_DATABASE_NOT_OPEN' }
    await expect(inSublevel.commit()).rejects.toMatchObject(notOpen)
    await db.close()
    await expect(early.commit()).rejects.toMatchObject(notOpen)
  })

  it('shares its batch with those of other sessions, and is decided in their order', async () => {
    const location = locations.create()
    const batches = join(location, 'batches')
    const spawn = mortalSpawn({ writeMs: 300, batches })
    const all = Array.from({ length: 10 }, () => clients.open(location, { spawn }))
    await Promise.all(all.map((db) => db.open()))
    await all[0]?.put('first', 'one')
    const before = countBatches(batches)
    // While a batch is being written everything else gathers behind it.
    const blocking = all[0]?.put('second', 'one')
    await sleep(100)
    const commits = all.flatMap((db, client) =>
      Array.from({ length: 10 }, (_, index) => [
        db.atomic().check('lock', undefined).put('lock', `${client} ${index}`).commit(),
        db.atomic().check('lock', `${client} ${index}`).put(`after`, `${client} ${index}`).commit()
      ])
    )
    await blocking
    const results = await Promise.all(commits.flat())
    expect(results.filter((isIn) => isIn)).toHaveLength(2)
    expect(await all[1]?.get('lock')).toBe(await all[2]?.get('after'))
    expect(countBatches(batches) - before).toBeLessThanOrEqual(4)
  })

  it('is refused for a daemon that is too old for it', async () => {
    const db = clients.open(locations.create(), { spawn: { args: ['--import', OLD_DAEMON] } })
    await expect(db.atomic().put('a', '1').commit()).rejects.toMatchObject({
      code: 'PARTYD_INCOMPATIBLE',
      operation: 'atomic'
    })
    await db.put('a', '2')
    expect(await db.get('a')).toBe('2')
  })
})
