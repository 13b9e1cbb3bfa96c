// What a custom encoding may give and take: bytes in any kind of view; for anything else the one operation
// fails that it belongs to, and nothing is written.

import { PartyLevel } from '@partyd/client'
import { connectGuest } from '@partyd/client/many-level'
import { describe, expect, it } from 'vitest'
import { setUp } from '../harness/set-up.js'

const { clients, locations } = setUp()

const RAW = {
  name: 'raw',
  format: 'buffer',
  encode: (data: unknown) => data as Buffer,
  decode: (data: Buffer) => data
} as const

function hexOf(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('hex')
}

describe('a view', () => {
  const buffer = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]).buffer
  it.each([
    ['Float64Array', new Float64Array([1.5, 2.5])],
    ['Uint16Array', new Uint16Array([258, 772])],
    ['BigInt64Array', new BigInt64Array([7n])],
    ['a part of a buffer', new Uint16Array(buffer, 4, 3)],
    ['DataView', new DataView(buffer, 3, 5)]
  ])('of type %s is its bytes, as value and as key', async (_, view) => {
    const db = clients.open(locations.create())
    const sublevel = db.sublevel('inside')
    const bytes = view as unknown as Uint8Array
    const entry = { keyEncoding: 'view', valueEncoding: 'view' } as const
    await db.put(bytes, bytes, entry)
    await sublevel.put('k', bytes, { valueEncoding: 'view' })
    await db.batch([{ type: 'put', key: 'b', value: bytes as never, valueEncoding: 'view' }])
    await db.atomic().put('a', bytes, { valueEncoding: 'view' }).commit()
    const hex = hexOf(view)
    const all = await db.iterator({ keyEncoding: 'hex', valueEncoding: 'hex' }).all()
    expect(all.map(([, value]) => value)).toEqual([hex, hex, hex, hex])
    expect(all.map(([key]) => key)).toContain(hex)
  })
})

describe('what is neither text nor bytes', () => {
  it.each([
    ['a number', 5],
    ['an object', { a: 1 }],
    ['a list', [1, 2]],
    ['a boolean', true],
    ['an ArrayBuffer', new ArrayBuffer(4)]
  ])('fails, as %s, and the database goes on', async (_, odd) => {
    const db = clients.open(locations.create())
    await db.put('a', '1')
    const put = db.put('a', 'x', {
      valueEncoding: { ...RAW, encode: () => odd as unknown as Buffer }
    })
    const get = db.get('x', { keyEncoding: { ...RAW, encode: () => odd as unknown as Buffer } })
    await expect(put).rejects.toThrow('An encoding gave')
    await expect(get).rejects.toThrow('An encoding gave')
    await db.put('b', '2')
    expect(await db.getMany(['a', 'b'])).toEqual(['1', '2'])
    await db.close()
  })

  it('fails where a getter of an operation turns into it', async () => {
    const db = clients.open(locations.create())
    await db.open()
    let reads = 0
    const operation = {
      type: 'put' as const,
      key: 'a',
      get value() {
        return reads++ === 0 ? 'text' : (5 as unknown as string)
      }
    }
    await expect(db.batch([operation])).rejects.toThrow('An encoding gave')
    const thrower = {
      type: 'put' as const,
      value: 'x',
      get key(): string {
        throw new Error('boom')
      }
    }
    await expect(db.batch([thrower])).rejects.toThrow('boom')
    expect(await db.get('a')).toBe(undefined)
  })
})

describe('what an encoding makes nothing of', () => {
  it('is not taken for a deletion', async () => {
    const options = { valueEncoding: 'json', idleTimeoutMs: 0 }
    const db = new PartyLevel<string, unknown>(locations.create(), options)
    await db.put('k', { precious: 1 })
    const nothing = () => {}
    const invalid = { code: 'LEVEL_INVALID_VALUE' }
    await expect(db.update('k', () => nothing)).rejects.toMatchObject(invalid)
    expect(() => db.atomic().put('k', nothing)).toThrow(expect.objectContaining(invalid))
    expect(() => db.atomic().check('k', Symbol('k'))).toThrow(expect.objectContaining(invalid))
    expect(await db.get('k')).toEqual({ precious: 1 })
    await db.close()
  })
})

describe('a key or value that an encoding makes nothing of', () => {
  it('is invalid, and the database goes on', async () => {
    const options = { keyEncoding: 'json', valueEncoding: 'json' }
    const db = new PartyLevel<unknown, unknown>(locations.create(), options)
    await db.open()
    const nothing = Symbol('nothing')
    const iterator = db.iterator()
    const onKey: (() => unknown)[] = [
      () => db.put(nothing, 1),
      () => db.get(nothing),
      () => db.getMany(['k', nothing]),
      () => db.has(nothing),
      () => db.hasMany([nothing]),
      () => db.del(nothing),
      () => db.batch([{ type: 'del', key: nothing }]),
      () => db.batch().del(nothing).write(),
      () => db.atomic().del(nothing).commit(),
      () => db.watch({ gte: nothing }).next(),
      () => iterator.seek(nothing)
    ]
    const onValue: (() => unknown)[] = [
      () => db.put('k', nothing),
      () => db.batch([{ type: 'put', key: 'k', value: nothing }]),
      () => db.batch().put('k', nothing).write()
    ]
    for (const [code, calls] of [
      ['LEVEL_INVALID_KEY', onKey],
      ['LEVEL_INVALID_VALUE', onValue]
    ] as const) {
      for (const call of calls) {
        const outcome = (async () => call())()
        await expect(outcome, call.toString()).rejects.toMatchObject({ code })
      }
    }
    await iterator.close()
    await db.put('k', 1)
    expect(await db.iterator().all()).toEqual([['k', 1]])
    await db.close()
  })
})

it.each([undefined, 5, ''])('the location %j is none', async (location) => {
  const isTypeError = expect.objectContaining({ name: 'TypeError' })
  expect(() => new PartyLevel(location as string)).toThrow(isTypeError)
  expect(() => connectGuest(location as string)).toThrow(isTypeError)
  for (const method of ['stop', 'destroy', 'repair'] as const) {
    await expect(PartyLevel[method](location as string)).rejects.toThrow(isTypeError)
  }
})
