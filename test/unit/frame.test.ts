import { FRAME_HEADER_BYTES, FrameReader, FrameWriter, LIMITS, ProtocolError } from '@partyd/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeFrame } from '../harness/raw-client.js'

type Field =
  | { readonly type: 'uint8' | 'uint32' | 'uint53'; readonly value: number }
  | { readonly type: 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'text'; readonly value: string }

function writeField(writer: FrameWriter, { type, value }: Field): void {
  if (type === 'bytes' || type === 'text') writer.bytes(value)
  else writer[type](value)
}

function readField(reader: FrameReader, { type }: Field): Field {
  const value = reader[type]()
  if (typeof value === 'string') return { type: 'text', value }
  if (typeof value === 'number') return { type: type as 'uint8', value }
  return { type: 'bytes', value: new Uint8Array(value) }
}

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ type: fc.constant('uint8' as const), value: fc.nat(0xff) }),
  fc.record({ type: fc.constant('uint32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ type: fc.constant('uint53' as const), value: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 5000 }) }),
  fc.record({
    type: fc.constant('text' as const),
    value: fc.string({ unit: 'grapheme', maxLength: 6000 })
  })
)

/** A reader that is at the one frame in these bytes. */
function readerOf(bytes: Buffer): FrameReader {
  const reader = new FrameReader()
  reader.append(bytes)
  expect(reader.next()).toBe(true)
  return reader
}

interface Seen {
  readonly id: number
  readonly kind: number
  readonly body: string
}

function readAll(reader: FrameReader): Seen[] {
  const seen: Seen[] = []
  while (reader.next()) seen.push({ id: reader.id, kind: reader.kind, body: reader.tailText() })
  return seen
}

const BODIES = ['', 'a', 'frame of some length', 'é€😀']
const FRAMES = BODIES.map((body, index) => ({ id: index + 1, kind: 0x10 + index, body }))
const BYTES = Buffer.concat(
  FRAMES.map(({ id, kind, body }) => encodeFrame(kind, id, (writer) => writer.tail(body)))
)

describe('FrameWriter', () => {
  it('lays a frame out as length, id, kind and body, little-endian', () => {
    const bytes = encodeFrame(0x20, 0x01020304, (writer) => {
      writer.uint8(5)
      writer.uint53(2 ** 32 + 6)
      writer.bytes('k')
      writer.tail('v')
    })
    expect(bytes.toString('hex')).toBe(
      ['14000000', '04030201', '20', '05', '0600000001000000', '010000006b', '76'].join('')
    )
  })

  it('has every field read back as written', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 40 }), fc.nat(0xffff_ffff), (fields, id) => {
        const reader = readerOf(
          encodeFrame(7, id, (writer) => {
            for (const one of fields) writeField(writer, one)
          })
        )
        expect(reader.id).toBe(id)
        expect(reader.kind).toBe(7)
        expect(fields.map((one) => readField(reader, one))).toEqual(fields)
        reader.finish()
      })
    )
  })

  it.each([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 3, Number.MAX_SAFE_INTEGER])(
    'writes %d as a whole number of 53 bits',
    (value) => {
      expect(readerOf(encodeFrame(1, 1, (writer) => writer.uint53(value))).uint53()).toBe(value)
    }
  )

  it('leaves finished frames where they are when it goes on in another chunk', () => {
    const writer = new FrameWriter()
    const frames: Buffer[] = []
    for (let index = 0; index < 40; index++) {
      writer.begin(1, index)
      writer.bytes(Buffer.alloc(5000, index))
      writer.end()
      frames.push(writer.chunk.subarray(writer.start, writer.position))
    }
    expect(new Set(frames.map((frame) => frame.buffer)).size).toBeGreaterThan(1)
    for (const [index, frame] of frames.entries()) {
      const reader = readerOf(frame)
      expect(reader.id).toBe(index)
      expect(reader.bytes().equals(Buffer.alloc(5000, index))).toBe(true)
    }
  })

  it.each([
    ['bytes', Buffer.alloc(100_000, 7)],
    ['ASCII text', 'x'.repeat(100_000)],
    ['text of three bytes a unit', '€'.repeat(40_000)]
  ])(
    'moves a half-written frame with its length fields when %s outgrow the chunk',
    (_name, value) => {
      // The chunk is nearly full when the frame begins, so every part of it moves.
      for (const used of [0, 60_000, 65_500, 65_520, 65_526]) {
        const writer = new FrameWriter()
        writer.begin(1, 1)
        writer.tail(Buffer.alloc(used))
        writer.end()
        writer.begin(2, 2)
        writer.uint53(99)
        writer.bytes(value)
        writer.bytes('behind it')
        writer.end()
        const reader = readerOf(writer.chunk.subarray(writer.start, writer.position))
        expect(reader.uint53()).toBe(99)
        expect(reader.bytes().equals(Buffer.from(value))).toBe(true)
        expect(reader.text()).toBe('behind it')
        reader.finish()
      }
    }
  )

  it('takes an abandoned frame back', () => {
    const writer = new FrameWriter()
    writer.begin(1, 1)
    writer.tail('first')
    writer.end()
    const { start, position: end } = writer
    writer.begin(2, 2)
    writer.bytes('second')
    writer.abandon()
    expect(writer.position).toBe(end)
    writer.begin(3, 3)
    writer.tail('third')
    writer.end()
    const reader = new FrameReader()
    reader.append(writer.chunk.subarray(start, writer.position))
    expect(readAll(reader).map(({ body }) => body)).toEqual(['first', 'third'])
  })

  it('counts bytes in the length that follow the frame from elsewhere', () => {
    const writer = new FrameWriter()
    writer.begin(1, 1)
    writer.end(3)
    const reader = new FrameReader()
    reader.append(writer.chunk.subarray(writer.start, writer.position))
    expect(reader.next()).toBe(false)
    reader.append(Buffer.from('abc'))
    expect(readAll(reader)).toEqual([{ id: 1, kind: 1, body: 'abc' }])
  })

  it('refuses a value that is larger than a frame before it allocates for it', () => {
    const writer = new FrameWriter()
    writer.begin(1, 1)
    const value = new Proxy(new Uint8Array(0), {
      get: (_, name) => (name === 'byteLength' ? LIMITS.frameBytesMax : undefined)
    })
    expect(() => writer.bytes(value)).toThrow(expect.objectContaining({ code: 'PARTYD_TOO_LARGE' }))
    writer.abandon()
    writer.begin(2, 2)
    writer.tail('fits')
    writer.end()
    const reader = readerOf(writer.chunk.subarray(writer.start, writer.position))
    expect(reader.tailText()).toBe('fits')
  })

  it('moves a growing frame only as often as it doubles', () => {
    const writer = new FrameWriter()
    writer.begin(1, 1)
    const chunks = new Set([writer.chunk])
    for (let count = 0; count < 200; count++) {
      writer.bytes(Buffer.alloc(100_000))
      chunks.add(writer.chunk)
    }
    expect(chunks.size).toBeLessThan(12)
  })

  it('gives a single long value no more room than it needs', () => {
    const writer = new FrameWriter()
    writer.begin(1, 1)
    writer.bytes(Buffer.alloc(1_000_000))
    writer.end()
    expect(writer.chunk.length).toBeLessThan(1_001_000)
  })

  it('refuses a frame that outgrows the limit bit by bit', () => {
    const writer = new FrameWriter()
    writer.begin(1, 1)
    const part = Buffer.alloc(8_000_000)
    let parts = 0
    expect(() => {
      for (; parts < 100; parts++) writer.bytes(part)
    }).toThrow(expect.objectContaining({ code: 'PARTYD_TOO_LARGE' }))
    expect(parts).toBe(Math.floor((LIMITS.frameBytesMax - FRAME_HEADER_BYTES) / 8_000_004))
  })
})

describe('FrameReader', () => {
  it('finds several frames in one chunk', () => {
    const reader = new FrameReader()
    reader.append(BYTES)
    expect(readAll(reader)).toEqual(FRAMES)
  })

  it('finds the same frames wherever the bytes are split', () => {
    for (let first = 0; first <= BYTES.length; first++) {
      for (let second = first; second <= BYTES.length; second += 3) {
        const reader = new FrameReader()
        const seen: Seen[] = []
        for (const part of [
          BYTES.subarray(0, first),
          BYTES.subarray(first, second),
          BYTES.subarray(second)
        ]) {
          reader.append(part)
          seen.push(...readAll(reader))
        }
        expect(seen).toEqual(FRAMES)
      }
    }
  })

  it('finds the same frames in chunks of one byte', () => {
    const reader = new FrameReader()
    const seen: Seen[] = []
    for (let index = 0; index < BYTES.length; index++) {
      reader.append(BYTES.subarray(index, index + 1))
      seen.push(...readAll(reader))
    }
    expect(seen).toEqual(FRAMES)
  })

  it('finds the same frames in chunks that gathered before anybody read', () => {
    const reader = new FrameReader()
    for (let index = 0; index < BYTES.length; index += 2) {
      reader.append(BYTES.subarray(index, index + 2))
    }
    expect(readAll(reader)).toEqual(FRAMES)
  })

  it('hands over each frame as soon as its last byte is there', () => {
    const reader = new FrameReader()
    reader.append(BYTES.subarray(0, BYTES.length - 1))
    expect(readAll(reader)).toEqual(FRAMES.slice(0, -1))
    reader.append(BYTES.subarray(BYTES.length - 1))
    expect(readAll(reader)).toEqual(FRAMES.slice(-1))
  })

  it('reads a large frame that comes in many chunks between small ones', () => {
    const large = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
    const bytes = Buffer.concat([BYTES, encodeFrame(9, 9, (writer) => writer.tail(large)), BYTES])
    const reader = new FrameReader()
    const bodies: Buffer[] = []
    for (let from = 0; from < bytes.length; from += 65_536) {
      reader.append(bytes.subarray(from, from + 65_536))
      while (reader.next()) bodies.push(Buffer.from(reader.tail()))
    }
    expect(bodies).toHaveLength(FRAMES.length * 2 + 1)
    expect(bodies[FRAMES.length]?.equals(large)).toBe(true)
  })

  it.each([0, 1, 4])('refuses a frame length of %d', (length) => {
    const reader = new FrameReader()
    const header = Buffer.alloc(4)
    header.writeUInt32LE(length)
    reader.append(header)
    expect(() => reader.next()).toThrow(ProtocolError)
  })

  it.each([1001, 0x8000_0000, 0xffff_ffff])(
    'refuses a frame length of %d beyond its limit as soon as it is known',
    (length) => {
      const reader = new FrameReader()
      reader.frameBytesMax = 1000
      const header = Buffer.alloc(4)
      header.writeUInt32LE(length)
      for (const byte of header) {
        reader.append(Buffer.from([byte]))
        if (byte !== header.at(-1)) continue
      }
      expect(() => reader.next()).toThrow(/larger than the 1000 allowed/)
    }
  )

  it('takes a frame of exactly its limit', () => {
    const reader = new FrameReader()
    reader.frameBytesMax = 100
    reader.append(encodeFrame(1, 1, (writer) => writer.tail(Buffer.alloc(95))))
    expect(reader.next()).toBe(true)
  })

  it.each<[string, (reader: FrameReader) => unknown]>([
    ['uint8', (reader) => reader.uint8()],
    ['uint32', (reader) => reader.uint32()],
    ['uint53', (reader) => reader.uint53()],
    ['bytes', (reader) => reader.bytes()],
    ['text', (reader) => reader.text()]
  ])('refuses %s at the end of the body, even though another frame follows', (_name, read) => {
    const reader = new FrameReader()
    reader.append(Buffer.concat([encodeFrame(1, 1), BYTES]))
    expect(reader.next()).toBe(true)
    expect(() => read(reader)).toThrow(ProtocolError)
  })

  it.each([6, 0x7fff_ffff, 0xffff_ffff])(
    'refuses a field of %d bytes in a body that holds five',
    (length) => {
      const write = (writer: FrameWriter): void => {
        writer.uint32(length)
        writer.tail('12345')
      }
      expect(() => readerOf(encodeFrame(1, 1, write)).bytes()).toThrow(ProtocolError)
      expect(() => readerOf(encodeFrame(1, 1, write)).text()).toThrow(ProtocolError)
    }
  )

  it('refuses a number beyond 2^53 - 1', () => {
    const reader = readerOf(
      encodeFrame(1, 1, (writer) => {
        writer.uint32(0)
        writer.uint32(0x20_0000)
      })
    )
    expect(() => reader.uint53()).toThrow(/larger than 2\^53 - 1/)
  })

  it('refuses bytes behind the last field', () => {
    const reader = readerOf(encodeFrame(1, 1, (writer) => writer.tail('abc')))
    reader.uint8()
    expect(() => reader.finish()).toThrow(/2 bytes too many/)
  })
})
