// The types of atomic, update and watch, as TypeScript infers them. What counts is that this file
// compiles; nothing of it is run.

import type { Atomic, Change, PartyLevel, Sublevel, Watch } from '@partyd/client'
import { describe, expectTypeOf, it } from 'vitest'

interface Item {
  readonly n: number
}

type Database = PartyLevel<string, Item>
type Sub = Sublevel<Database, Buffer, number>

describe('the types of a database', () => {
  it('are those of its keys and values', () => {
    expectTypeOf<ReturnType<Database['atomic']>>().toExtend<Atomic<Database, string, Item>>()
    const use = async (db: Database): Promise<void> => {
      expectTypeOf(db.atomic().check('a', undefined).put('a', { n: 1 }).commit()).toEqualTypeOf<
        Promise<boolean>
      >()
      // @ts-expect-error: a number is no item
      db.atomic().put('a', 1)
      // @ts-expect-error: a number is no key
      db.atomic().del(1)
      expectTypeOf(db.update('a', (item) => ({ n: (item?.n ?? 0) + 1 }))).toEqualTypeOf<
        Promise<Item | undefined>
      >()
      // @ts-expect-error: text is no item
      void db.update('a', () => 'text')
      const watch = db.watch({ gte: 'a' })
      expectTypeOf(watch).toEqualTypeOf<Watch<string, Item>>()
      for await (const change of watch) {
        expectTypeOf(change).toEqualTypeOf<Change<string, Item>>()
        if (change.type === 'put') expectTypeOf(change.value).toEqualTypeOf<Item>()
        if (change.type !== 'reset') expectTypeOf(change.key).toEqualTypeOf<string>()
      }
    }
    expectTypeOf(use).toBeFunction()
  })

  it('are others where the encodings are', () => {
    const use = (db: Database): void => {
      const asText = { valueEncoding: 'utf8' }
      db.atomic().check<string, string>('a', 'text', asText)
      expectTypeOf(db.update<string, string>('a', (text) => `${text}`, asText)).toEqualTypeOf<
        Promise<string | undefined>
      >()
      expectTypeOf(db.watch<Buffer, string>({ gte: Buffer.alloc(0) }, asText)).toEqualTypeOf<
        Watch<Buffer, string>
      >()
    }
    expectTypeOf(use).toBeFunction()
  })
})

describe('the types of a sublevel', () => {
  it('are those of its keys and values, however deep it is', () => {
    const use = (db: Database, sub: Sub): void => {
      expectTypeOf(db.sublevel('s').watch()).toEqualTypeOf<Watch<string, string>>()
      expectTypeOf(db.sublevel<Buffer, number>('s', {}).watch()).toEqualTypeOf<
        Watch<Buffer, number>
      >()
      expectTypeOf(sub.update(Buffer.from('a'), (n = 0) => n + 1)).toEqualTypeOf<
        Promise<number | undefined>
      >()
      expectTypeOf(sub.sublevel<string, Item>('deep', {}).watch()).toEqualTypeOf<
        Watch<string, Item>
      >()
      db.atomic().put<Buffer, number>(Buffer.from('a'), 1, { sublevel: sub })
      // @ts-expect-error: text is no number
      sub.atomic().put(Buffer.from('a'), 'text')
    }
    expectTypeOf(use).toBeFunction()
  })
})
