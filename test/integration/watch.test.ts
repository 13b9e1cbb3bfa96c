// Watches of a daemon that stays alive: what they see and in which order, where they begin and how
// they end, and what becomes of a consumer who is too slow. Deaths of the daemon are in
// test/fault/watch.test.ts.

import { join } from 'node:path'
import { connectGuest } from '@partyd/client/many-level'
import { KIND, LIMITS, MISSING_LENGTH } from '@partyd/shared'
import { describe, expect, it, vi } from 'vitest'
import { ForeignProcess } from '../harness/foreign-process.js'
import { publishedPid, until } from '../harness/locations.js'
import { MemoryWatch } from '../harness/memory.js'
import { encodeFrame, RawClient } from '../harness/raw-client.js'
import { setUp } from '../harness/set-up.js'

vi.setConfig({ testTimeout: 60_000 })

const OLD_DAEMON = new URL('../harness/old-daemon-hook.js', import.meta.url).href

const { clients, locations } = setUp()

interface Seen {
  readonly type: string
  readonly key?: unknown
  readonly value?: unknown
  readonly seq?: number
  readonly last?: boolean
}

/** Takes changes until one is of that key. */
async function takeUntil(watch: AsyncIterator<Seen, undefined>, key: unknown): Promise<Seen[]> {
  const seen: Seen[] = []
  for (;;) {
    const { value } = await watch.next()
    if (value === undefined) throw new Error(`The watch ended before '${key}'`)
    seen.push(value)
    if (value.key === key) return seen
  }
}

/** Without what counts, for tests of what is seen. */
function bare(changes: readonly Seen[]): unknown[][] {
  return changes.map(({ type, key, value }) =>
    type === 'put' ? [type, key, value] : type === 'del' ? [type, key] : [type]
  )
}

describe('a watch', () => {
  it('sees what every client writes, in the order committed', async () => {
    const location = locations.create()
    const db = clients.open(location)
    const other = clients.open(location, { retry: false })
    const guest = connectGuest(location)
    await db.put('0', 'before')
    const watch = db.watch()
    await watch.ready
    await db.put('a', '1')
    await other.batch([
      { type: 'put', key: 'b', value: '2' },
      { type: 'del', key: 'a' }
    ])
    await guest.put('c', '3')
    await clients.run(`await new PartyLevel(location).put('d', '4')`, { args: [location] })
    await db.atomic().check('d', '5').put('never', 'x').commit()
    await other.atomic().check('d', '4').del('d').put('e', '5').commit()
    await db.clear({ gte: 'b', lt: 'd' })
    await guest.del('e')
    await db.put('end', '')
    const seen = await takeUntil(watch, 'end')
    expect(bare(seen)).toEqual([
      ['put', 'a', '1'],
      ['put', 'b', '2'],
      ['del', 'a'],
      ['put', 'c', '3'],
      ['put', 'd', '4'],
      ['del', 'd'],
      ['put', 'e', '5'],
      ['del', 'b'],
      ['del', 'c'],
      ['del', 'e'],
      ['put', 'end', '']
    ])
    const [first = 0] = seen.map(({ seq }) => seq)
    expect(seen.map(({ seq = 0 }) => seq - first)).toEqual([0, 1, 1, 2, 3, 4, 4, 5, 5, 6, 7])
    const last = [true, false, true, true, true, false, true, false, true, true, true]
    expect(seen.map((change) => change.last)).toEqual(last)
    await guest.close()
  })

  it('begins behind what was issued before it, and before what is behind it', async () => {
    const db = clients.open(locations.create())
    for (const isOpen of [false, true]) {
      // None of these is awaited: on the way to the daemon they are one behind the other.
      const before = db.batch([{ type: 'put', key: `before ${isOpen}`, value: '1' }])
      const watch = db.watch()
      const behind = db.put(`behind ${isOpen}`, '2')
      await Promise.all([before, behind])
      expect(bare(await takeUntil(watch, `behind ${isOpen}`))).toEqual([
        ['put', `behind ${isOpen}`, '2']
      ])
      await watch.close()
    }
  })

  it('of a range sees what is in it, and the last of each batch as the last', async () => {
    const db = clients.open(locations.create())
    const keys = ['a', 'b', 'c', 'd', 'e']
    const ranges = [
      [{ gt: 'b' }, 'cde'],
      [{ gte: 'b' }, 'bcde'],
      [{ lt: 'd' }, 'abc'],
      [{ lte: 'd' }, 'abcd'],
      [{ gt: 'a', lte: 'c' }, 'bc'],
      [{ gt: 'c', gte: 'b', lt: 'c', lte: 'd' }, 'bcd'],
      [{ gte: 'c', lte: 'c' }, 'c'],
      [{ gt: 'e' }, ''],
      [{}, 'abcde']
    ] as const
    const watches = ranges.map(([range]) => db.watch(range))
    const all = db.watch()
    await db.batch(keys.map((key) => ({ type: 'put', key, value: '1' })))
    await db.put('~', 'end')
    await takeUntil(all, '~')
    for (const [index, [, expected]] of ranges.entries()) {
      const watch = watches[index] as (typeof watches)[number]
      const seen: Seen[] = []
      for (const _ of expected) seen.push((await watch.next()).value as Seen)
      expect(seen.map(({ key }) => key).join('')).toBe(expected)
      expect(seen.map(({ last }) => last)).toEqual(
        [...expected].map((_, at) => at === expected.length - 1)
      )
    }
  })

  it('of a sublevel sees its keys, in its encodings, and no others', async () => {
    const db = clients.open(locations.create())
    const users = db.sublevel<string, object>('users', { valueEncoding: 'json' })
    const nested = users.sublevel<Buffer, string>('nested', { keyEncoding: 'buffer' })
    const sibling = db.sublevel('users2')
    const ofUsers = users.watch()
    const ofRange = users.watch({ gte: 'b' })
    const ofNested = nested.watch()
    await users.put('a', { n: 1 })
    await sibling.put('b', 'sibling')
    await db.put('b', 'root')
    await nested.put(Buffer.from([0xff]), 'deep')
    await users.batch([{ type: 'del', key: 'b' }])
    expect(bare(await takeUntil(ofRange, 'b'))).toEqual([['del', 'b']])
    expect(bare([(await ofNested.next()).value as Seen])).toEqual([
      ['put', Buffer.from([0xff]), 'deep']
    ])
    expect(bare([(await ofUsers.next()).value as Seen])).toEqual([['put', 'a', { n: 1 }]])
    // What is in a sublevel of a sublevel is in both, as for iterators, and here is not of its encoding.
    await expect(ofUsers.next()).rejects.toMatchObject({ code: 'LEVEL_DECODE_ERROR' })
    expect(await ofUsers.next()).toEqual({ done: true, value: undefined })
    const raw = users.watch({}, { keyEncoding: 'view', valueEncoding: 'utf8' })
    await users.put('c', { n: 2 })
    expect((await raw.next()).value).toMatchObject({ key: Buffer.from('c'), value: '{"n":2}' })
  })

  it('never sees a hidden key', async () => {
    const location = locations.create()
    const db = clients.open(location)
    const hidden = Buffer.alloc(16, 0xff)
    const bytes = { keyEncoding: 'buffer' }
    const watches = [
      db.watch<Buffer>({}, bytes),
      db.watch<Buffer>({ gte: Buffer.alloc(15, 0xff) }, bytes),
      db.watch<Buffer>({ lte: Buffer.alloc(17, 0xff) }, bytes),
      db.watch<Buffer>({ gt: hidden }, bytes)
    ]
    // Behind them, so that they are open before another client writes.
    await db.get('a')
    // Each of these leaves a record, and the leaving client's is removed.
    const other = clients.open(location)
    await other.put('a', '1')
    await other.close()
    await db.clear()
    await db.put<Buffer, string>(Buffer.alloc(15, 0xff), 'end', bytes)
    const seen = async (index: number, count: number): Promise<unknown[]> => {
      const keys: unknown[] = []
      while (keys.length < count) {
        const { value } = await (watches[index] as AsyncIterator<Seen, undefined>).next()
        keys.push(value?.key)
      }
      return keys
    }
    const a = Buffer.from('a')
    expect(await seen(0, 3)).toEqual([a, a, Buffer.alloc(15, 0xff)])
    expect(await seen(1, 1)).toEqual([Buffer.alloc(15, 0xff)])
    expect(await seen(2, 3)).toEqual([a, a, Buffer.alloc(15, 0xff)])
    const none = watches[3]?.next()
    await db.put('b', '1')
    await db.close()
    expect(await none).toEqual({ done: true, value: undefined })
  })

  it('is told of large batches and large values whole', async () => {
    const db = clients.open(locations.create())
    const watch = db.watch()
    const large = 'x'.repeat(20_000_000)
    await db.put('large', large)
    expect((await watch.next()).value).toMatchObject({ key: 'large', value: large, last: true })
    const count = 20_000
    const value = 'v'.repeat(100)
    const put = db.batch(
      Array.from({ length: count }, (_, index) => ({ type: 'put', key: `${index}`, value }))
    )
    const seen = await takeUntil(watch, `${count - 1}`)
    await put
    expect(seen.map(({ key }) => key)).toEqual(seen.map((_, index) => `${index}`))
    expect(new Set(seen.map(({ seq }) => seq)).size).toBe(1)
    expect(seen.filter(({ last }) => last)).toEqual([seen.at(-1)])
  })
})

describe('a consumer that is too slow', () => {
  it('gets one reset in place of what it has missed, and goes on', async () => {
    const db = clients.open(locations.create())
    const watch = db.watch()
    await watch.ready
    const value = 'v'.repeat(1_000_000)
    for (let index = 0; index < 20; index++) await db.put(`key ${index}`, value)
    expect((await watch.next()).value).toEqual({ type: 'reset' })
    await db.put('behind', 'it')
    expect(bare(await takeUntil(watch, 'behind'))).toEqual([['put', 'behind', 'it']])
  })

  it('costs the daemon no more than the limit, when it does not even read', async () => {
    const location = locations.create()
    const db = clients.open(location)
    await db.open()
    const raw = await RawClient.open(join(location, 'partyd.sock'))
    const open = await raw.ask(KIND.watchOpen, (writer) => {
      writer.uint32(7)
      writer.uint8(0)
      writer.uint8(0)
    })
    expect(open.kind).toBe(KIND.done)
    raw.socket.pause()
    const memory = new MemoryWatch(publishedPid(location) as number)
    const value = 'v'.repeat(1_000_000)
    for (let index = 0; index < 300; index++) await db.put('key', `${index} ${value}`)
    memory.stop()
    // Of 300 MB that were written. Node 24 collects later than 20.
    expect(memory.growth).toBeLessThan(220)
    raw.socket.resume()
    const changes: number[] = []
    for (let frame = await raw.next(); frame !== undefined; frame = await raw.next()) {
      expect(frame).toMatchObject({ id: 0 })
      expect(frame.body.readUInt32LE()).toBe(7)
      if (frame.kind === KIND.watchReset) break
      expect(frame.kind).toBe(KIND.changes)
      changes.push(frame.body.readUInt32LE(5))
    }
    expect(changes.length).toBeGreaterThan(7)
    expect(changes.length).toBeLessThan(30)
    expect(changes).toEqual(changes.map((_, index) => index + 1))
    await db.put('behind', 'it')
    const next = await raw.next()
    expect(next?.kind).toBe(KIND.changes)
    expect(next?.body.toString('utf8', 4 + 9 + 4)).toContain('behind')
    raw.socket.destroy()
  })
})

describe('a watch ends', () => {
  it('by break, by close and with its database', async () => {
    const db = clients.open(locations.create())
    const [broken, closed, left] = [db.watch(), db.watch(), db.watch()]
    const ofSublevel = db.sublevel('s')
    const inSublevel = ofSublevel.watch()
    await db.put('a', '1')
    for await (const { type } of broken) {
      expect(type).toBe('put')
      break
    }
    expect(await broken.next()).toEqual({ done: true, value: undefined })
    await closed.next()
    const waiting = closed.next()
    await expect(closed.next()).rejects.toMatchObject({ code: 'LEVEL_ITERATOR_BUSY' })
    await closed.close()
    await closed.close()
    expect(await waiting).toEqual({ done: true, value: undefined })
    await left.next()
    const [inDatabase, deep] = [left.next(), inSublevel.next()]
    await ofSublevel.close()
    expect(await deep).toEqual({ done: true, value: undefined })
    await db.close()
    expect(await inDatabase).toEqual({ done: true, value: undefined })
    const late = db.watch()
    await expect(late.next()).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    await expect(late.ready).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
  })

  it('by its signal, before and while it waits', async () => {
    const db = clients.open(locations.create())
    const aborted = { code: 'LEVEL_ABORTED', name: 'AbortError' }
    const never = db.watch({}, { signal: AbortSignal.abort() })
    await expect(never.next()).rejects.toMatchObject(aborted)
    const controller = new AbortController()
    const watch = db.watch({}, { signal: controller.signal })
    await watch.ready
    const waiting = watch.next()
    controller.abort()
    await expect(waiting).rejects.toMatchObject(aborted)
    expect(await watch.next()).toEqual({ done: true, value: undefined })
  })

  it('on the daemon, too', async () => {
    const location = locations.create()
    const db = clients.open(location)
    for (let index = 0; index < LIMITS.watchesMax + 10; index++) {
      const watch = db.watch({ gte: `${index}` })
      if (index % 2 === 0) await watch.ready
      await watch.close()
    }
    await db.get('a')
    const watches = Array.from({ length: LIMITS.watchesMax }, () => db.watch())
    await Promise.all(watches.map((watch) => watch.ready))
    await expect(db.watch().next()).rejects.toMatchObject({ code: 'PARTYD_TOO_MANY_PENDING' })
    await db.put('a', '1')
    for (const watch of watches) expect((await watch.next()).value).toMatchObject({ key: 'a' })
  })

  it('at once where the daemon is too old for it', async () => {
    const db = clients.open(locations.create(), { spawn: { args: ['--import', OLD_DAEMON] } })
    const watch = db.watch()
    const incompatible = { code: 'PARTYD_INCOMPATIBLE', operation: 'watch' }
    await expect(watch.next()).rejects.toMatchObject(incompatible)
    await expect(watch.ready).rejects.toMatchObject(incompatible)
  })

  it('with the reason why there is no database', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    try {
      const db = clients.open(location)
      const reason = {
        code: 'LEVEL_DATABASE_NOT_OPEN',
        cause: { code: 'LEVEL_LOCKED', pid: holder.pid }
      }
      const [watch, ofSublevel] = [db.watch(), db.sublevel('s').watch()]
      await expect(watch.next()).rejects.toMatchObject(reason)
      await expect(watch.ready).rejects.toMatchObject(reason)
      await expect(ofSublevel.next()).rejects.toMatchObject(reason)
    } finally {
      await holder.kill()
    }
  })
})

describe('a program', () => {
  it('is kept alive by a watch that is awaited, and by no other', async () => {
    const location = locations.create()
    const watching = clients.start(
      `const db = new PartyLevel(location)
       const watch = db.watch()
       await watch.ready
       console.log('ready')
       console.log((await watch.next()).value.key)
       const idle = setTimeout(() => {}, 1e6)
       idle.unref()`,
      { args: [location] }
    )
    await watching.printed('ready')
    const db = clients.open(location)
    await db.put('seen', '1')
    expect(await watching.finished).toMatchObject({ code: 0, stdout: 'ready\nseen\n', stderr: '' })
  })
})

describe('a daemon', () => {
  it('refuses a watch that is opened twice, and ignores the end of one that is not open', async () => {
    const location = locations.create()
    const db = clients.open(location)
    await db.open()
    const raw = await RawClient.open(join(location, 'partyd.sock'))
    const open = (id: number): Buffer =>
      encodeFrame(KIND.watchOpen, id, (writer) => {
        writer.uint32(MISSING_LENGTH)
        writer.uint8(0)
        writer.uint8(0)
      })
    raw.send(
      encodeFrame(KIND.watchClose, 0, (writer) => writer.uint32(5)),
      open(1)
    )
    expect(await raw.next()).toMatchObject({ kind: KIND.done, id: 1 })
    raw.send(open(2))
    expect(await raw.next()).toMatchObject({ kind: KIND.error, id: 0 })
    await raw.closed
    await until(() => publishedPid(location) !== undefined, 'the daemon')
    await db.put('a', '1')
  })
})
