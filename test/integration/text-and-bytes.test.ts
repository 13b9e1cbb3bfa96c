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
