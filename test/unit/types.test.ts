// The types as a user of `level` expects them. `pnpm check` compiles this file, and that is the test:
// what is expected to be an error must be one, and what is not must not.

import type * as party from '@partyd/client'
import { Level, PartyLevel } from '@partyd/client'
import type { AbstractLevel, AbstractSublevel } from 'abstract-level'
import type * as classic from 'classic-level'
import { expect, expectTypeOf, it } from 'vitest'

interface Item {
  readonly n: number
}

type Database = PartyLevel<number, Item>
declare const db: Database
declare const plain: PartyLevel
declare const classicDb: classic.ClassicLevel<number, Item>

/** Compiled, and never run. */
function neverRun(_check: () => unknown): void {}

it('a database has string keys and values unless told otherwise', () => {
  neverRun(() => {
    expectTypeOf(new PartyLevel('./data')).toEqualTypeOf<PartyLevel<string, string>>()
    expectTypeOf(plain.get('a')).resolves.toEqualTypeOf<string | undefined>()
    // @ts-expect-error: keys are strings
    void plain.get(1)
    // @ts-expect-error: values are strings
    void plain.put('a', 1)
    // @ts-expect-error: a database has a location
    new PartyLevel()
    // @ts-expect-error: an encoding is not a number
    new PartyLevel('./data', { valueEncoding: 1 })
    // @ts-expect-error: no such option of partyd's own
    new PartyLevel('./data', { retryTimeout: 1 })
  })
  expect(Level).toBe(PartyLevel)
})

it('a database is generic over its keys and values', () => {
  neverRun(() => {
    expectTypeOf(db).toExtend<AbstractLevel<string | Buffer | Uint8Array, number, Item>>()
    expectTypeOf(db.get(1)).resolves.toEqualTypeOf<Item | undefined>()
    expectTypeOf(db.getMany([1, 2])).resolves.toEqualTypeOf<(Item | undefined)[]>()
    expectTypeOf(db.has(1)).resolves.toEqualTypeOf<boolean>()
    expectTypeOf(db.hasMany([1])).resolves.toEqualTypeOf<boolean[]>()
    expectTypeOf(db.put(1, { n: 1 })).resolves.toEqualTypeOf<void>()
    expectTypeOf(db.iterator().next()).resolves.toEqualTypeOf<[number, Item] | undefined>()
    expectTypeOf(db.keys().next()).resolves.toEqualTypeOf<number | undefined>()
    expectTypeOf(db.values().next()).resolves.toEqualTypeOf<Item | undefined>()
    // @ts-expect-error: keys are numbers
    void db.get('1')
    // @ts-expect-error: values are items
    void db.put(1, { m: 1 })
    // @ts-expect-error: a value is missing
    void db.batch([{ type: 'put', key: 1 }])
    // @ts-expect-error: keys are numbers
    db.batch().del('1')
  })
})

it('an operation may have encodings, and so types, of its own', () => {
  neverRun(() => {
    const options = { valueEncoding: 'buffer' } as const
    expectTypeOf(db.get<number, Buffer>(1, options)).resolves.toEqualTypeOf<Buffer | undefined>()
    expectTypeOf(
      db.values<number, string>({ valueEncoding: 'utf8' }).next()
    ).resolves.toEqualTypeOf<string | undefined>()
    void db.put<string, string>('a', 'b', { keyEncoding: 'utf8', sync: true })
    void db.batch<string, string>([{ type: 'put', key: 'a', value: 'b' }], { sync: true })
    void db.get(1, { fillCache: false })
    void db.iterator({ gte: 1, highWaterMarkBytes: 1, fillCache: true, limit: 2, reverse: true })
    // @ts-expect-error: sync is a boolean
    void db.del(1, { sync: 'yes' })
  })
})

it('a sublevel belongs to its database, and its operations fit a batch of it', () => {
  neverRun(() => {
    const users = plain.sublevel<number, Item>('users', { valueEncoding: 'json' })
    expectTypeOf(users).toExtend<
      AbstractSublevel<PartyLevel, string | Buffer | Uint8Array, number, Item>
    >()
    void plain.batch([{ type: 'put', key: 'a', value: 'b' }])
  })
})

it('a snapshot is an option of every read, and of clear', () => {
  neverRun(() => {
    const snapshot = db.snapshot()
    expectTypeOf(snapshot).toExtend<party.Snapshot>()
    void db.get(1, { snapshot })
    void db.getMany([1], { snapshot })
    void db.has(1, { snapshot })
    void db.hasMany([1], { snapshot })
    void db.iterator({ snapshot })
    void db.keys({ snapshot })
    void db.values({ snapshot })
    void db.clear({ snapshot, gte: 1 })
    // @ts-expect-error: a write has none
    void db.put(1, { n: 1 }, { snapshot })
  })
})

it('the extras of classic-level have its types, but that getProperty is a promise', () => {
  neverRun(() => {
    expectTypeOf(db.approximateSize).toExtend<typeof classicDb.approximateSize>()
    expectTypeOf(db.compactRange).toExtend<typeof classicDb.compactRange>()
    expectTypeOf(db.approximateSize(1, 2)).resolves.toEqualTypeOf<number>()
    expectTypeOf(
      db.approximateSize('a', 'b', { keyEncoding: 'utf8' })
    ).resolves.toEqualTypeOf<number>()
    expectTypeOf(db.compactRange(1, 2)).resolves.toEqualTypeOf<void>()
    expectTypeOf(db.getProperty('leveldb.stats')).resolves.toEqualTypeOf<string>()
    expectTypeOf(db.info()).resolves.toEqualTypeOf<party.DaemonInfo>()
    expectTypeOf(PartyLevel.destroy('./data')).resolves.toEqualTypeOf<void>()
    expectTypeOf(PartyLevel.repair('./data')).resolves.toEqualTypeOf<void>()
    expectTypeOf(PartyLevel.stop('./data')).resolves.toEqualTypeOf<void>()
    // @ts-expect-error: bounds are keys
    void db.approximateSize('a', 'b')
    // @ts-expect-error: and there are two
    void db.compactRange(1)
  })
})

/** Each pair: what a user of `level` or `classic-level` has typed, and what it is assigned to here. */
interface SameNames {
  open: [classic.OpenOptions, party.OpenOptions]
  database: [classic.DatabaseOptions<number, Item>, party.DatabaseOptions<number, Item>]
  get: [classic.GetOptions<number, Item>, party.GetOptions<number, Item>]
  getMany: [classic.GetManyOptions<number, Item>, party.GetManyOptions<number, Item>]
  has: [classic.HasOptions<number>, party.HasOptions<number>]
  hasMany: [classic.HasManyOptions<number>, party.HasManyOptions<number>]
  put: [classic.PutOptions<number, Item>, party.PutOptions<number, Item>]
  del: [classic.DelOptions<number>, party.DelOptions<number>]
  batch: [classic.BatchOptions<number, Item>, party.BatchOptions<number, Item>]
  operation: [
    classic.BatchOperation<Database, number, Item>,
    party.BatchOperation<Database, number, Item>
  ]
  chained: [classic.ChainedBatchWriteOptions, party.ChainedBatchWriteOptions]
  iterator: [classic.IteratorOptions<number, Item>, party.IteratorOptions<number, Item>]
  additional: [classic.AdditionalIteratorOptions, party.AdditionalIteratorOptions]
  keys: [classic.KeyIteratorOptions<number>, party.KeyIteratorOptions<number>]
  values: [classic.ValueIteratorOptions<number, Item>, party.ValueIteratorOptions<number, Item>]
  startEnd: [classic.StartEndOptions<number>, party.StartEndOptions<number>]
  snapshot: [classic.Snapshot, party.Snapshot]
}
type Mismatches = {
  [Name in keyof SameNames]: SameNames[Name][0] extends SameNames[Name][1] ? never : Name
}[keyof SameNames]

it('the type names of classic-level are there, and take what it takes', () => {
  neverRun(() => {
    expectTypeOf<Mismatches>().toEqualTypeOf<never>()
    expectTypeOf(db.batch()).toEqualTypeOf<party.ChainedBatch<Database, number, Item>>()
    expectTypeOf(db.iterator()).toEqualTypeOf<party.Iterator<Database, number, Item>>()
    expectTypeOf(db.keys()).toEqualTypeOf<party.KeyIterator<Database, number>>()
    expectTypeOf(db.values()).toEqualTypeOf<party.ValueIterator<Database, number, Item>>()
  })
})
