// level-read-stream, the Node streams of today's Level, over a PartyLevel and a sublevel of one. What
// becomes of them when the daemon is killed is in test/fault/read-stream.test.ts.

import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { PartyLevel } from '@partyd/client'
import { EntryStream, KeyStream, ValueStream } from 'level-read-stream'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Locations } from '../harness/locations.js'

vi.setConfig({ testTimeout: 60_000 })

const COUNT = 3000
/** Long enough for all of them to be many times what is read ahead. */
const PADDING = '.'.repeat(200)

const locations = new Locations()
let location: string
let db: PartyLevel<string, string>

beforeEach(async () => {
  location = locations.create()
  db = new PartyLevel(location)
  const sublevel = db.sublevel('sub')
  const keys = Array.from({ length: COUNT }, (_, n) => `key ${1e6 + n}`)
  await db.batch(keys.map((key) => ({ type: 'put', key, value: key + PADDING })))
  await sublevel.batch(keys.map((key) => ({ type: 'put', key, value: PADDING + key })))
})
afterEach(async () => {
  await db.close()
  await locations.reap()
})

type Stream = new (source: never, options: object) => unknown

/** Its types extend a class that has none. */
function create(Class: Stream, source: unknown, options: object): Readable {
  return new Class(source as never, options) as Readable
}

async function readAll(stream: Readable): Promise<unknown[]> {
  const read: unknown[] = []
  for await (const item of stream) read.push(item)
  return read
}

const RANGE = { gte: 'key', lt: 'kez' }

describe('the streams of level-read-stream', () => {
  it('give what iterators give', async () => {
    for (const source of [db, db.sublevel('sub')] as (typeof db)[]) {
      const entries = await source.iterator(RANGE).all()
      expect(entries).toHaveLength(COUNT)
      for (const options of [RANGE, { ...RANGE, reverse: true }, { ...RANGE, highWaterMark: 7 }]) {
        const expected =
          options === RANGE || 'highWaterMark' in options ? entries : [...entries].reverse()
        expect(await readAll(create(EntryStream, source, options))).toEqual(
          expected.map(([key, value]) => ({ key, value }))
        )
        expect(await readAll(create(KeyStream, source, options))).toEqual(
          expected.map(([key]) => key)
        )
        expect(await readAll(create(ValueStream, source, options))).toEqual(
          expected.map(([, value]) => value)
        )
      }
    }
  })

  it('close their iterator when they are destroyed', async () => {
    const stream = create(EntryStream, db, RANGE)
    await once(stream, 'data')
    stream.destroy()
    await once(stream, 'close')
  })
})
