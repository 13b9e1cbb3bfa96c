// Databases with much, or with everything, in them.

import { randomBytes } from 'node:crypto'
import { ClassicLevel } from 'classic-level'

export type BinaryEntry = readonly [key: Buffer, value: Buffer]

const BYTES = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const

/** Puts entries into a database that nobody holds. */
export async function fill(location: string, entries: Iterable<BinaryEntry>): Promise<void> {
  const db = new ClassicLevel<Buffer, Buffer>(location, BYTES)
  await db.open()
  let batch = db.batch()
  for (const [key, value] of entries) {
    batch.put(key, value)
    if (batch.length < 5000) continue
    await batch.write()
    batch = db.batch()
  }
  await batch.write()
  await db.close()
}

/** All that is in a database that nobody holds, by a plain LevelDB. */
export async function readBinary(location: string): Promise<BinaryEntry[]> {
  const db = new ClassicLevel<Buffer, Buffer>(location, { ...BYTES, createIfMissing: false })
  await db.open()
  try {
    return await db.iterator().all()
  } finally {
    await db.close()
  }
}

/** Entries in order, with text of so many bytes that does not compress well. */
export function* manyEntries(count: number, bytes: number): Generator<BinaryEntry> {
  for (let index = 0; index < count; index++) {
    const value = randomBytes(bytes).toString('base64').slice(0, bytes)
    yield [Buffer.from(`key ${String(index).padStart(8, '0')}`), Buffer.from(value)]
  }
}

/** Keys and values of all kinds, in LevelDB's order. */
export function strangeEntries(): BinaryEntry[] {
  const texts = [
    ' ',
    '"quoted" \\ and /',
    'line\nfeed\r\u0000\u0007\u2028',
    'ends with é',
    '\ufeffbegins with a byte order mark',
    '\ufffd is a character, too',
    '😀 needs a pair',
    '{"key":"a","value":"b"}'
  ]
  const bytes = [[0], [0xff], [0xff, 0xfe, 0xfd], [0xc3], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98]]
  const data = [
    ...texts.map((text) => Buffer.from(text)),
    ...bytes.map((list) => Buffer.from(list))
  ]
  const values = [...data, Buffer.alloc(0)]
  const entries = data.flatMap((key) =>
    values.map((value, index): BinaryEntry => [Buffer.concat([key, Buffer.from([index])]), value])
  )
  // Larger than what is read, and written, at a time.
  entries.push([Buffer.from('large text'), Buffer.from('x\\y'.repeat(500_000))])
  entries.push(
    [Buffer.from('large'), Buffer.alloc(2e6, 7)],
    [Buffer.from('zz'), Buffer.alloc(2e6, 0xfe)]
  )
  return entries.sort(([left], [right]) => left.compare(right))
}
