// Entries of all kinds side by side: the daemon reads text as text and everything else as bytes,
// and nobody must be able to tell.

import { describe, expect, it } from 'vitest'
import type { Clients } from '../harness/clients.js'
import { setUp } from '../harness/set-up.js'

const { clients, locations } = setUp()

const BUFFERS = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
type Entry = [Buffer, Buffer]

/** Enough plain text for several steps of a scan, with something else in the middle and at the end. */
const ENTRIES: Entry[] = [
  ...Array.from({ length: 6000 }, (_, index): Entry => entry(`a${index}`, `value ${index}`)),
  entry('b ☃', 'snow ☃ and 𝄞'),
  [Buffer.from('c'), Buffer.from([0xef, 0xbb, 0xbf, 0x61])],
  [Buffer.from('d'), Buffer.from([0xff, 0x00, 0xfe])],
  entry('e', 'the replacement \ufffd itself'),
  [Buffer.from('f'), Buffer.from([0xed, 0xa0, 0x80])],
  [Buffer.from('g'), Buffer.alloc(0)],
  entry('h', 'long '.repeat(40_000)),
  ...Array.from({ length: 3000 }, (_, index): Entry => entry(`i${index}`, `value ${index}`)),
  [Buffer.from([0xf0, 0x01]), Buffer.from('a key of bytes')],
  [Buffer.from([0xff, 0xff]), Buffer.from('another')]
]
ENTRIES.sort(([left], [right]) => left.compare(right))

function entry(key: string, value: string): Entry {
  return [Buffer.from(key), Buffer.from(value)]
}

/** A line for each entry: thousands of them are compared at once, and seventy times over. */
function toHex(entries: readonly (readonly Uint8Array[])[]): string {
  return entries
    .map((each) => each.map((part) => Buffer.from(part).toString('hex')).join(' '))
    .join('\n')
}

describe.each([{ retry: true }, { retry: false }])('text and bytes, with %o,', ({ retry }) => {
  async function fill(): Promise<ReturnType<Clients['open']>> {
    const db = clients.open(locations.create(), { retry })
    await db.batch(
      ENTRIES.map(([key, value]) => ({ type: 'put', key, value, ...BUFFERS }) as never)
    )
    return db
  }

  it('come out of scans as they went in', { timeout: 60_000 }, async () => {
    const db = await fill()
    for (const reverse of [false, true]) {
      const expected = reverse ? ENTRIES.toReversed() : ENTRIES
      // Text is tried anew after a while, so that each of these begins as either.
      for (let round = 0; round < 3; round++) {
        const found = await db.iterator<Buffer, Buffer>({ ...BUFFERS, reverse }).all()
        expect(toHex(found)).toBe(toHex(expected))
      }
      const keys = await db.keys<Buffer>({ keyEncoding: 'buffer', reverse, limit: 7000 }).all()
      expect(toHex(keys.map((key) => [key]))).toBe(
        toHex(expected.slice(0, 7000).map(([key]) => [key]))
      )
      const values = await db.values<Buffer, Buffer>({ ...BUFFERS, reverse }).all()
      expect(toHex(values.map((value) => [value]))).toBe(
        toHex(expected.map(([, value]) => [value]))
      )
    }
  })

  it('come out of scans that are sought in the middle', async () => {
    const db = await fill()
    const from = ENTRIES.findIndex(([key]) => key.equals(Buffer.from('a99')))
    const expected = ENTRIES.slice(from).filter(([key]) => key.compare(Buffer.from('i')) < 0)
    const [expectedFirst, expectedRest] = [toHex(ENTRIES.slice(0, 3)), toHex(expected)]
    for (let round = 0; round < 70; round++) {
      const iterator = db.iterator<Buffer, Buffer>({ ...BUFFERS, lt: Buffer.from('i') })
      expect(toHex(await iterator.nextv(3))).toBe(expectedFirst)
      iterator.seek(Buffer.from('a99'))
      expect(toHex(await iterator.all())).toBe(expectedRest)
    }
  })

  it('come out of reads by key', async () => {
    const db = await fill()
    const some = ENTRIES.filter((_, index) => index % 50 === 0 || ENTRIES.length - index < 3020)
    for (let round = 0; round < 2; round++) {
      const values = await Promise.all(
        some.map(([key]) => db.get<Buffer, Buffer>(key, BUFFERS) as Promise<Buffer>)
      )
      expect(toHex([values])).toBe(toHex([some.map(([, value]) => value)]))
    }
    const keys = some.map(([key]) => key)
    for (const size of [100, keys.length]) {
      const values = await db.getMany<Buffer, Buffer>(keys.slice(0, size), BUFFERS)
      expect(toHex([values as Buffer[]])).toBe(
        toHex([some.slice(0, size).map(([, value]) => value)])
      )
    }
  })

  it('are text to whoever reads them as text', async () => {
    const db = await fill()
    const [first, last] = await db.getMany(['b ☃', 'e'])
    expect([first, last]).toEqual(['snow ☃ and 𝄞', 'the replacement \ufffd itself'])
    expect(await db.get('d')).toBe(Buffer.from([0xff, 0x00, 0xfe]).toString())
  })
})

describe('text that is put and got without options', () => {
  it('goes through encodings of the same name', async () => {
    const location = locations.create()
    const shouting = {
      name: 'utf8',
      format: 'utf8',
      encode: (text: string) => text.toUpperCase(),
      decode: (text: string) => text.toLowerCase()
    } as const
    const db = clients.open(location, { keyEncoding: shouting, valueEncoding: shouting })
    await db.put('key', 'value')
    expect(await db.get('key')).toBe('value')
    const plain = clients.open(location)
    expect(await plain.get('KEY')).toBe('VALUE')
  })

  it('is what hooks make of it, and is told of', async () => {
    const db = clients.open(locations.create())
    await db.open()
    const written: string[] = []
    db.on('write', (operations) => {
      for (const { type, key } of operations) written.push(`${type} ${String(key)}`)
    })
    await db.put('seen', '1')
    db.hooks.prewrite.add((_operation, batch) => {
      batch.add({ type: 'put', key: 'added', value: '2' })
    })
    await db.put('hooked', '3')
    expect(written).toEqual(['put seen', 'put hooked', 'put added'])
    expect(await db.getMany(['seen', 'hooked', 'added'])).toEqual(['1', '3', '2'])
  })

  it('is batched with operations that are not so simple', async () => {
    const db = clients.open(locations.create())
    await db.open()
    const written: string[] = []
    await db.batch([{ type: 'put', key: 'gone', value: '0' }])
    db.on('write', (operations) => {
      for (const { type, key } of operations) written.push(`${type} ${String(key)}`)
    })
    await db.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'del', key: 'gone' }
    ])
    expect(written).toEqual(['put a', 'del gone'])
    db.removeAllListeners('write')
    await db.batch([
      { type: 'put', key: 'b', value: '2' },
      { type: 'put', key: 'c', value: { n: 3 } as never, valueEncoding: 'json' },
      { type: 'put', key: 'd', value: '4', sublevel: db.sublevel('s') as never }
    ])
    const all = await db.iterator().all()
    expect(all).toEqual([
      ['!s!d', '4'],
      ['a', '1'],
      ['b', '2'],
      ['c', '{"n":3}']
    ])
    await db.batch([])
    const holes = new Array(1) as []
    await expect(db.batch(holes)).rejects.toThrow('Key cannot be')
    await expect(db.batch([{ type: 'put', key: 'a' } as never])).rejects.toThrow('Value cannot be')
    await expect(db.batch([{ type: 'move', key: 'a', value: 'b' } as never])).rejects.toThrow(
      'type property'
    )
    await expect(db.batch(undefined as never)).rejects.toThrow('must be an array')
    await db.batch().put('chained', '5').write()
    expect(await db.get('chained')).toBe('5')
  })

  it('fails as a rejection, and waits until the database is open', async () => {
    const db = clients.open(locations.create())
    const put = db.put('key', 'value')
    expect(await db.get('key')).toBe('value')
    await put
    await expect(db.put('k'.repeat(2 ** 28), 'value')).rejects.toThrow('larger than')
    await expect(db.get(undefined as never)).rejects.toThrow('Key cannot be')
    await expect(db.put('key', undefined as never)).rejects.toThrow('Value cannot be')
    await db.close()
    await expect(db.get('key')).rejects.toThrow('not open')
    await expect(db.put('key', 'value')).rejects.toThrow('not open')
  })
})
