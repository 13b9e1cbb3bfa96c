// Whatever is done to it, a database does what an ordered map would: any keys, ranges, clients and
// sublevels, one operation after the other or all at once.

import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import type { AbstractLevel } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { MapCursor, type MapEntry, type MapRange, OrderedMap } from '../harness/ordered-map.js'
import { Random } from '../harness/random.js'

type Db = PartyLevel<Buffer, Buffer>
/** A database or one of its sublevels. */
type Level = AbstractLevel<Buffer | string | Uint8Array, Buffer, Buffer>

/** Where an operation goes: a client, and the sublevel by its prefix. */
interface Section {
  readonly level: Level
  readonly prefix: Buffer
}

const BUFFERS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const HIDDEN = Buffer.alloc(16, 0xff)
const seed = Random.seed()

const locations = new Locations()
let location: string
let clients: Db[]
/** By client: the database, a sublevel, and a sublevel of that. */
let sections: Section[][]

beforeAll(async () => {
  console.log(`PARTYD_TEST_SEED=${seed}`)
  location = locations.create()
  clients = [{ retry: true }, { retry: false }, { retry: true }, { retry: false }].map(
    (options) => new PartyLevel<Buffer, Buffer>(location, { ...BUFFERS, ...options })
  )
  sections = clients.map((db) => {
    const sublevel = db.sublevel<Buffer, Buffer>('one', BUFFERS)
    const nested = sublevel.sublevel<Buffer, Buffer>('two', BUFFERS)
    return [
      { level: db as unknown as Level, prefix: Buffer.alloc(0) },
      { level: sublevel as unknown as Level, prefix: Buffer.from('!one!') },
      { level: nested as unknown as Level, prefix: Buffer.from('!one!!two!') }
    ]
  })
  await Promise.all(sections.flat().map(({ level }) => level.open()))
})

afterAll(async () => {
  await Promise.allSettled((clients ?? []).map((db) => db.close()))
  await locations.reap()
})

// What is done

type KeyEncoding = 'buffer' | 'view' | 'utf8'

interface Key {
  readonly bytes: Buffer
  readonly encoding: KeyEncoding
}

type Change =
  | { readonly type: 'put'; readonly key: Key; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Key }

type Step =
  | { readonly kind: 'next' }
  | { readonly kind: 'nextv'; readonly size: number }
  | { readonly kind: 'seek'; readonly target: Key }

type What = 'entries' | 'keys' | 'values'

type Action =
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'batch' | 'chained batch'; readonly changes: readonly Change[] }
  | { readonly kind: 'get' | 'has'; readonly key: Key }
  | { readonly kind: 'getMany' | 'hasMany'; readonly keys: readonly Key[] }
  | { readonly kind: 'clear'; readonly range: MapRange }
  | { readonly kind: 'all'; readonly range: MapRange; readonly what: What }
  | {
      readonly kind: 'iterate'
      readonly range: MapRange
      readonly what: What
      readonly steps: readonly Step[]
    }

/** Few bytes, so that keys meet, are each other's beginnings, and lie next to bounds. */
const shortBytes = fc
  .array(fc.constantFrom(0x00, 0x21, 0x61, 0x62, 0x7f, 0x80, 0xfe, 0xff), { maxLength: 3 })
  .map((bytes) => Buffer.from(bytes))
/** At the end of the users' keys and beyond it. */
const highBytes = fc
  .tuple(fc.constantFrom(14, 15, 16, 17, 20), shortBytes)
  .map(([count, tail]) => Buffer.concat([Buffer.alloc(count, 0xff), tail]))
const ownBytes = fc.constantFrom(
  HIDDEN,
  Buffer.concat([HIDDEN, Buffer.from('partyd')]),
  Buffer.concat([HIDDEN, Buffer.from('partydg')])
)
const longBytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes))

const binaryKey: fc.Arbitrary<Key> = fc.record({
  bytes: fc.oneof(
    { weight: 12, arbitrary: shortBytes },
    { weight: 3, arbitrary: highBytes },
    { weight: 1, arbitrary: ownBytes },
    { weight: 1, arbitrary: longBytes }
  ),
  encoding: fc.constantFrom<KeyEncoding>('buffer', 'view')
})
const textKey: fc.Arbitrary<Key> = fc
  .oneof(
    fc.string({ maxLength: 2, unit: fc.constantFrom('a', 'é', '漢', '\u{1f600}', '\0', '\uffff') }),
    fc.string({ unit: 'binary', maxLength: 40 })
  )
  .map((text): Key => ({ bytes: Buffer.from(text), encoding: 'utf8' }))
const anyKey = fc.oneof({ weight: 4, arbitrary: binaryKey }, { weight: 1, arbitrary: textKey })

const value = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  shortBytes,
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  // Above what is copied into a frame, and above what one step of a scan reads.
  fc.constantFrom(20_000, 70_000).map((length) => Buffer.alloc(length, length))
)

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('put' as const), key: anyKey, value }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('del' as const), key: anyKey }) }
)

const bound = anyKey.map(({ bytes }) => bytes)
const range: fc.Arbitrary<MapRange> = fc.record(
  {
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    reverse: fc.boolean(),
    limit: fc.integer({ min: -1, max: 6 })
  },
  { requiredKeys: [] }
)
/** Mostly one bound or two: with all four there is rarely anything between them. */
const usualRange: fc.Arbitrary<MapRange> = fc.oneof(
  fc.record({ reverse: fc.boolean() }),
  fc.record({ gte: bound, reverse: fc.boolean() }),
  fc.record({ lte: bound, reverse: fc.boolean() }),
  fc.record({ gt: bound, lt: bound, reverse: fc.boolean() }),
  range
)

const what = fc.constantFrom<What>('entries', 'keys', 'values')
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('next' as const) }),
  fc.record({ kind: fc.constant('nextv' as const), size: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant('seek' as const), target: anyKey })
)

const simpleAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('change' as const), change }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('batch' as const, 'chained batch' as const),
      changes: fc.array(change, { maxLength: 8 })
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('get' as const, 'has' as const),
      key: anyKey
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('getMany' as const, 'hasMany' as const),
      keys: fc.array(anyKey, { maxLength: 6 })
    })
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), range: usualRange }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('all' as const), range: usualRange, what })
  }
)
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: simpleAction },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('iterate' as const),
      range: usualRange,
      what,
      steps: fc.array(step, { maxLength: 10 })
    })
  }
)

// Doing it

/** What came of an action, in a form that can be compared. */
type Outcome = unknown

const RESERVED = 'PARTYD_RESERVED_KEY'

function encodeKey({ bytes, encoding }: Key): { key: Buffer | string | Uint8Array } {
  if (encoding === 'utf8') return { key: bytes.toString() }
  return { key: encoding === 'view' ? new Uint8Array(bytes) : bytes }
}

function toHex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex')
}

/** The value's own bytes are not worth printing in full. */
function toText(bytes: Uint8Array | undefined): string | undefined {
  const hex = toHex(bytes)
  return hex !== undefined && hex.length > 80 ? `${hex.slice(0, 80)}… ${hex.length}` : hex
}

function pickParts([key, value]: MapEntry, wanted: What): Outcome {
  if (wanted === 'keys') return toHex(key)
  return wanted === 'values' ? toText(value) : [toHex(key), toText(value)]
}

/** Does it to the database, and resolves with what came of it. */
async function act({ level }: Section, action: Action): Promise<Outcome> {
  try {
    return await operate(level, action)
  } catch (error) {
    return (error as { code?: string }).code ?? error
  }
}

function operate(level: Level, action: Action): Promise<Outcome> {
  switch (action.kind) {
    case 'change':
      return changeOne(level, action.change)
    case 'batch':
      return level.batch(
        action.changes.map((each) => ({
          ...each,
          ...encodeKey(each.key),
          keyEncoding: each.key.encoding
        })) as never
      )
    case 'chained batch':
      return writeChained(level, action.changes)
    case 'get':
      return level
        .get(encodeKey(action.key).key, { keyEncoding: action.key.encoding } as never)
        .then((found) => toText(found as Buffer | undefined))
    case 'has':
      return level.has(encodeKey(action.key).key, { keyEncoding: action.key.encoding } as never)
    case 'getMany':
      return level
        .getMany(action.keys.map(({ bytes }) => bytes))
        .then((values) => values.map(toText))
    case 'hasMany':
      return level.hasMany(action.keys.map(({ bytes }) => bytes))
    case 'clear':
      return level.clear(action.range)
    case 'all':
      return readAll(level, action.range, action.what)
    case 'iterate':
      throw new Error('An iterator is driven by its own function')
    default:
      return action satisfies never
  }
}

function changeOne(level: Level, { type, key, ...rest }: Change): Promise<Outcome> {
  const options = { keyEncoding: key.encoding } as never
  if (type === 'del') return level.del(encodeKey(key).key as never, options)
  return level.put(encodeKey(key).key as never, (rest as { value: Buffer }).value, options)
}

function writeChained(level: Level, changes: readonly Change[]): Promise<Outcome> {
  const batch = level.batch()
  for (const each of changes) {
    const { key } = encodeKey(each.key)
    const options = { keyEncoding: each.key.encoding } as never
    if (each.type === 'put') batch.put(key as never, each.value, options)
    else batch.del(key as never, options)
  }
  return batch.write()
}

async function readAll(level: Level, options: MapRange, wanted: What): Promise<Outcome> {
  if (wanted === 'keys') return (await level.keys(options).all()).map(toHex)
  if (wanted === 'values') return (await level.values(options).all()).map(toText)
  return (await level.iterator(options).all()).map((entry) => pickParts(entry, 'entries'))
}

/** Does it to the model, and returns what should come of it. */
function predict(map: OrderedMap, { prefix }: Section, action: Action): Outcome {
  const full = ({ bytes }: Key): Buffer => Buffer.concat([prefix, bytes])
  switch (action.kind) {
    case 'change':
      return applyChanges(map, full, [action.change])
    case 'batch':
    case 'chained batch':
      return applyChanges(map, full, action.changes)
    case 'get':
      return toText(map.get(full(action.key)))
    case 'has':
      return map.get(full(action.key)) !== undefined
    case 'getMany':
      return action.keys.map((key) => toText(map.get(full(key))))
    case 'hasMany':
      return action.keys.map((key) => map.get(full(key)) !== undefined)
    case 'clear':
      return map.clear(prefix, action.range)
    case 'all':
      return map.list(prefix, action.range).map((entry) => pickParts(entry, action.what))
    case 'iterate':
      throw new Error('An iterator is driven by its own function')
    default:
      return action satisfies never
  }
}

function applyChanges(
  map: OrderedMap,
  full: (key: Key) => Buffer,
  changes: readonly Change[]
): Outcome {
  if (changes.some(({ key }) => isReserved(full(key)))) return RESERVED
  for (const each of changes) {
    if (each.type === 'put') map.put(full(each.key), each.value)
    else map.del(full(each.key))
  }
  return undefined
}

function isReserved(key: Buffer): boolean {
  return key.subarray(0, HIDDEN.length).equals(HIDDEN)
}

/** Moves an iterator and the model's cursor side by side. */
async function compareIterators(
  map: OrderedMap,
  { level, prefix }: Section,
  { range: options, what: wanted, steps }: Extract<Action, { kind: 'iterate' }>
): Promise<void> {
  const cursor = new MapCursor(map, prefix, options)
  const iterator = openIterator(level, options, wanted)
  try {
    for (const each of steps) {
      if (each.kind === 'seek') {
        iterator.seek(encodeKey(each.target).key, { keyEncoding: each.target.encoding })
        cursor.seek(each.target.bytes)
        continue
      }
      const size = each.kind === 'next' ? 1 : each.size
      const expected = cursor.peek(size).map((entry) => pickParts(entry, wanted))
      const found = each.kind === 'next' ? await iterator.next() : await iterator.nextv(size)
      // It may give fewer than asked for, but none only at its end.
      const count = expected.length === 0 ? 0 : Math.max(found.length, 1)
      expect(found).toEqual(expected.slice(0, count))
      cursor.advance(found.length)
    }
    const rest = cursor.peek(Number.POSITIVE_INFINITY).map((entry) => pickParts(entry, wanted))
    expect(await iterator.all()).toEqual(rest)
  } finally {
    await iterator.close()
  }
}

interface AnyIterator {
  next(): Promise<Outcome[]>
  nextv(size: number): Promise<Outcome[]>
  all(): Promise<Outcome[]>
  seek(target: Buffer | string | Uint8Array, options: { keyEncoding: KeyEncoding }): void
  close(): Promise<void>
}

/** The three kinds of iterators under one face. */
function openIterator(level: Level, options: MapRange, wanted: What): AnyIterator {
  if (wanted === 'entries') {
    const iterator = level.iterator(options)
    const convert = (entry: MapEntry): Outcome => pickParts(entry, wanted)
    return {
      next: async () => {
        const entry = await iterator.next()
        return entry === undefined ? [] : [convert(entry)]
      },
      nextv: async (size) => (await iterator.nextv(size)).map(convert),
      all: async () => (await iterator.all()).map(convert),
      seek: (target, encoding) => iterator.seek(target as never, encoding as never),
      close: () => iterator.close()
    }
  }
  const iterator = wanted === 'keys' ? level.keys(options) : level.values(options)
  const convert = wanted === 'keys' ? toHex : toText
  return {
    next: async () => {
      const part = await iterator.next()
      return part === undefined ? [] : [convert(part)]
    },
    nextv: async (size) => (await iterator.nextv(size)).map(convert),
    all: async () => (await iterator.all()).map(convert),
    seek: (target, encoding) => iterator.seek(target as never, encoding as never),
    close: () => iterator.close()
  }
}

/** A killed process may be gone by its state while one of its threads still holds the lock. */
async function openWhenFree(path: string): Promise<ClassicLevel<Buffer, Buffer>> {
  for (const deadline = Date.now() + 5_000; ; await sleep(10)) {
    const level = new ClassicLevel<Buffer, Buffer>(path, BUFFERS)
    try {
      await level.open()
      return level
    } catch (error) {
      const { code } = (error as { cause: { code?: string } }).cause
      if (code !== 'LEVEL_LOCKED' || Date.now() > deadline) throw error
    }
  }
}

/** An empty database and a model of it. */
async function begin(): Promise<OrderedMap> {
  await (clients[0] as Db).clear()
  return new OrderedMap()
}

async function expectSame(map: OrderedMap): Promise<void> {
  const expected = map.list(Buffer.alloc(0)).map((entry) => pickParts(entry, 'entries'))
  for (const db of clients) {
    const found = await db.iterator().all()
    expect(found.map((entry) => pickParts(entry, 'entries'))).toEqual(expected)
  }
}

describe('a database and an ordered map', () => {
  it('agree on one operation after the other, from any client and sublevel', {
    timeout: 120_000
  }, async () => {
    const where = fc.record({ client: fc.nat({ max: 3 }), section: fc.nat({ max: 2 }) })
    const property = fc.asyncProperty(
      fc.array(fc.tuple(where, action), { maxLength: 60, size: 'max' }),
      async (actions) => {
        const map = await begin()
        for (const [{ client, section }, each] of actions) {
          const place = sections[client]?.[section] as Section
          if (each.kind === 'iterate') await compareIterators(map, place, each)
          else expect(await act(place, each)).toEqual(predict(map, place, each))
        }
        await expectSame(map)
      }
    )
    await fc.assert(property, { seed, numRuns: 120, endOnFailure: false })
  })

  it('agree when four clients do everything at once', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(
      fc.array(fc.array(simpleAction, { maxLength: 40, size: 'max' }), {
        minLength: 4,
        maxLength: 4
      }),
      async (actionsByClient) => {
        const map = await begin()
        // Each in a sublevel of its own, where its operations take effect in the order issued.
        const work = actionsByClient.flatMap((actions, client) => {
          const db = clients[client] as Db
          const level = db.sublevel<Buffer, Buffer>(`client${client}`, BUFFERS)
          const section = {
            level: level as unknown as Level,
            prefix: Buffer.from(`!client${client}!`)
          }
          return actions.map((each) => ({ section, action: each }))
        })
        await Promise.all(work.map(({ section }) => section.level.open()))
        const outcomes = await Promise.all(
          work.map(({ section, action: each }) => act(section, each))
        )
        const expected = work.map(({ section, action: each }) => predict(map, section, each))
        expect(outcomes).toEqual(expected)
        await expectSame(map)
      }
    )
    await fc.assert(property, { seed, numRuns: 60, endOnFailure: false })
  })

  it('agree on what an iterator of a client without retry sees', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(
      fc.array(change, { maxLength: 30, size: 'max' }),
      fc.array(change, { maxLength: 30, size: 'max' }),
      usualRange,
      async (before, after, options) => {
        const map = await begin()
        const [writer, reader] = [sections[0]?.[0] as Section, sections[1]?.[0] as Section]
        const write = async (changes: readonly Change[]): Promise<void> => {
          for (const each of changes) {
            const action = { kind: 'change', change: each } as const
            expect(await act(writer, action)).toEqual(predict(map, writer, action))
          }
        }
        await write(before)
        const iterator = openIterator(reader.level, options, 'entries')
        // The daemon has the iterator once it has answered what was asked behind it.
        await reader.level.get(Buffer.from('a'))
        const snapshot = map
          .list(reader.prefix, options)
          .map((entry) => pickParts(entry, 'entries'))
        await write(after)
        expect(await iterator.all()).toEqual(snapshot)
        await iterator.close()
      }
    )
    await fc.assert(property, { seed, numRuns: 40, endOnFailure: false })
  })
})

describe.each([{ retry: true }, { retry: false }])('the last keys, with %o,', ({ retry }) => {
  const last = Buffer.alloc(15, 0xff)
  const behindLast = Buffer.concat([last, Buffer.from([0xfe, 0xff])])
  const beyond = [HIDDEN, Buffer.alloc(20, 0xff), Buffer.concat([HIDDEN, Buffer.from('partydz')])]
  const all = ['a', 'b'].map((text) => Buffer.from(text)).concat([last, behindLast])

  async function fill(db = clients[retry ? 0 : 1] as Db): Promise<Db> {
    await db.clear()
    for (const key of all) await db.put(key, key)
    return db
  }

  it('are the last ones in reverse, whatever bound is beyond them', async () => {
    const db = await fill()
    const reversed = all.toReversed()
    expect(await db.keys({ reverse: true }).all()).toEqual(reversed)
    expect(await db.keys({ reverse: true, limit: 1 }).all()).toEqual([behindLast])
    for (const bytes of beyond) {
      expect(await db.keys({ reverse: true, lt: bytes }).all()).toEqual(reversed)
      expect(await db.keys({ reverse: true, lte: bytes }).all()).toEqual(reversed)
      expect(await db.keys({ gte: last, lte: bytes }).all()).toEqual([last, behindLast])
      expect(await db.keys({ gte: bytes }).all()).toEqual([])
      expect(await db.keys({ gt: bytes, reverse: true }).all()).toEqual([])
    }
  })

  it('are found by seeking beyond them in reverse, and are not by seeking forward', async () => {
    const db = await fill()
    for (const bytes of beyond) {
      const backward = db.keys({ reverse: true })
      expect(await backward.next()).toEqual(behindLast)
      backward.seek(Buffer.from('b'))
      expect(await backward.next()).toEqual(Buffer.from('b'))
      backward.seek(bytes)
      expect(await backward.all()).toEqual(all.toReversed())
      const forward = db.keys()
      forward.seek(bytes)
      expect(await forward.next()).toBe(undefined)
      await forward.close()
      // Out of the range that was asked for, as it would be for any other key.
      const bounded = db.keys({ reverse: true, lt: HIDDEN })
      bounded.seek(bytes)
      expect(await bounded.next()).toBe(undefined)
      await bounded.close()
    }
  })

  it('cannot be written beyond, nor read', async () => {
    const db = await fill()
    for (const bytes of beyond) {
      await expect(db.put(bytes, last)).rejects.toMatchObject({ code: RESERVED })
      await expect(db.del(bytes)).rejects.toMatchObject({ code: RESERVED })
      const batch = db.batch().put(Buffer.from('new'), last).put(bytes, last)
      await expect(batch.write()).rejects.toMatchObject({ code: RESERVED })
      expect(await db.get(bytes)).toBe(undefined)
      expect(await db.has(bytes)).toBe(false)
      expect(await db.getMany([last, bytes, last])).toEqual([last, undefined, last])
      expect(await db.hasMany([bytes, last])).toEqual([false, true])
    }
    expect(await db.keys().all()).toEqual(all)
  })

  it('are cleared, and what is beyond them stays', async () => {
    const ownLocation = locations.create()
    const db = await fill(new PartyLevel<Buffer, Buffer>(ownLocation, { ...BUFFERS, retry }))
    // Its record is one of the keys beyond.
    const other = new PartyLevel<Buffer, Buffer>(ownLocation, BUFFERS)
    await other.put(Buffer.from('c'), last)
    for (const options of [{}, { gte: last }, { gt: HIDDEN }, { reverse: true, limit: 100 }]) {
      await db.clear(options)
    }
    expect(await db.keys().all()).toEqual([])
    const pid = publishedPid(ownLocation) as number
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid), 'the end of the daemon')
    const level = await openWhenFree(ownLocation)
    const left = await level.keys().all()
    await level.close()
    await Promise.all([db.close(), other.close()])
    // The generation, and a record for each client that retries.
    expect(left).toHaveLength(retry ? 3 : 2)
    expect(left.every(isReserved)).toBe(true)
  })
})
