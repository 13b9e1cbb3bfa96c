// Whatever arrives on the socket, the daemon refuses it with a reason, goes on serving the others,
// and keeps its memory.

import { type FrameWriter, KIND, LIMITS, PREFACE } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonPool, type DaemonProcess, expectServing } from '../harness/daemon-pool.js'
import { Random } from '../harness/random.js'
import { decodeObject, encodeFrame, encodeHello, RawClient } from '../harness/raw-client.js'
import { RawSocket } from '../harness/raw-socket.js'
import { bodyOf, REQUESTS, writeOpen, writeStamp } from '../harness/valid-frames.js'

const pool = new DaemonPool()
afterEach(() => pool.reap())

/** The daemon says what was wrong, once, and closes. */
async function expectRefusal(client: RawClient): Promise<void> {
  const frames = await client.rest()
  const refusals = frames.filter(({ kind, id }) => kind === KIND.error && id === 0)
  expect(refusals).toHaveLength(1)
  expect(frames.at(-1)).toBe(refusals[0])
  expect(decodeObject(refusals[0])['code']).toBe('PARTYD_PROTOCOL')
}

function rawLength(length: number): Buffer {
  const bytes = Buffer.alloc(9, 1)
  bytes.writeUInt32LE(length)
  return bytes
}

// 31
describe('before the hello', () => {
  it('drops a wrong magic without a word', async () => {
    const daemon = await pool.start()
    for (const bytes of ['\0partyX\u0001', '\0partyd\u0002', '\0\0\0\0\0\0\0\0']) {
      const client = await RawClient.connect(daemon.endpoint)
      client.send(Buffer.from(bytes, 'latin1'))
      expect(await client.rest()).toEqual([])
    }
    await expectServing(daemon)
  })

  it('drops peers that begin and fall silent, and serves others meanwhile', async () => {
    const daemon = await pool.start()
    const witness = await RawClient.open(daemon.endpoint)
    const hello = encodeHello('once')
    const beginnings = [
      PREFACE.subarray(0, 1),
      PREFACE.subarray(0, 7),
      PREFACE,
      Buffer.concat([PREFACE, hello.subarray(0, hello.length / 2)])
    ]
    const silent = await Promise.all(
      beginnings
        .map(async (bytes) => {
          const client = await RawClient.connect(daemon.endpoint)
          client.send(bytes)
          return client.closed
        })
        .map((closed) => ({ closed }))
    )
    await expectServing(daemon)
    await Promise.all(silent.map(({ closed }) => closed))
    await witness.put('still', 'there')
    await expectServing(daemon)
  })

  it('keeps only so many connections that have not said anything', async () => {
    const daemon = await pool.start()
    const witness = await RawClient.open(daemon.endpoint)
    const extra = 36
    let closed = 0
    const enoughClosed = new Promise<void>((resolve) => {
      const onClose = (): void => {
        if (++closed === extra) resolve()
      }
      // While the daemon is stopped they gather, and it accepts all of them in one turn.
      daemon.child.kill('SIGSTOP')
      for (let count = 0; count < LIMITS.silentConnectionsMax + extra; count++) {
        void RawSocket.connect(daemon.endpoint).then((socket) => socket.closed.then(onClose))
      }
      daemon.child.kill('SIGCONT')
    })
    await enoughClosed
    await witness.put('still', 'there')
    expect(closed).toBe(extra)
    await expectServing(daemon)
  })

  it.each([
    ['a frame that is no hello', encodeFrame(KIND.get, 1)],
    ['a hello of 1 MB', encodeHello('once', { padding: 'x'.repeat(1_000_000) })],
    ['a hello that is not JSON', encodeFrame(KIND.hello, 0, (writer) => writer.tail('{"proto":'))],
    ['a hello that is no object', encodeFrame(KIND.hello, 0, (writer) => writer.tail('[1]'))],
    ['a hello without a mode', encodeHello('once', { mode: undefined })],
    ['a hello with a broken session id', encodeHello('retry', { sessionId: '../../etc' })],
    ['a frame length of 0', rawLength(0)],
    ['a frame length of 4', rawLength(4)],
    ['a frame length of 2^32 - 1', rawLength(0xffff_ffff)]
  ])('refuses %s', async (_name, bytes) => {
    const daemon = await pool.start()
    const client = await RawClient.connect(daemon.endpoint)
    client.send(PREFACE, bytes)
    await expectRefusal(client)
    await expectServing(daemon)
  })

  // 32
  it('refuses a client of another protocol version with both versions', async () => {
    const daemon = await pool.start()
    const client = await RawClient.connect(daemon.endpoint)
    client.send(PREFACE, encodeHello('once', { proto: [7, 9] }))
    const [refusal, ...others] = await client.rest()
    const { code, message } = decodeObject(refusal)
    expect(code).toBe('PARTYD_INCOMPATIBLE')
    expect(message).toMatch(/7 to 9.*1 to 1/)
    expect(others).toEqual([])
    await expectServing(daemon)
  })

  it('survives a client that closes in the middle of its hello', async () => {
    const daemon = await pool.start()
    const hello = Buffer.concat([PREFACE, encodeHello('once')])
    for (let length = 1; length < hello.length; length += 7) {
      const client = await RawClient.connect(daemon.endpoint)
      client.socket.end(hello.subarray(0, length))
      await client.closed
    }
    await expectServing(daemon)
  })
})

describe('a session', () => {
  it.each<[string, (client: RawClient) => Buffer]>([
    ['a frame length of 0', () => rawLength(0)],
    ['a frame length of 4', () => rawLength(4)],
    ['a frame one byte too large', () => rawLength(LIMITS.frameBytesMax + 1)],
    ['a frame length of 2^32 - 1', () => rawLength(0xffff_ffff)],
    [
      'a batch that claims 2^31 operations',
      () =>
        encodeFrame(KIND.batch, 1, (writer) => {
          writeStamp(writer)
          writer.uint8(0)
          writer.uint32(2 ** 31)
          writer.tail('rest')
        })
    ],
    [
      'a batch with an operation that is neither put nor del',
      () =>
        encodeFrame(KIND.batch, 1, (writer) => {
          writeStamp(writer)
          writer.uint8(0)
          writer.uint32(1)
          writer.uint8(2)
          writer.bytes('key')
        })
    ],
    [
      'a getMany that claims 2^31 keys',
      () =>
        encodeFrame(KIND.getMany, 1, (writer) => {
          writer.uint8(0)
          writer.uint32(2 ** 31)
          writer.tail('rest')
        })
    ],
    [
      'a hasMany with a key longer than the frame',
      () =>
        encodeFrame(KIND.hasMany, 1, (writer) => {
          writer.uint8(0)
          writer.uint32(1)
          writer.uint32(0xffff_ffff)
          writer.tail('rest')
        })
    ],
    [
      'an iterator id that is opened twice',
      () =>
        Buffer.concat([
          encodeFrame(KIND.iteratorOpen, 1, (writer) => writeOpen(writer, 5)),
          encodeFrame(KIND.iteratorOpen, 2, (writer) => writeOpen(writer, 5))
        ])
    ],
    [
      'a write that leaves a gap',
      () => encodeFrame(KIND.skip, 1, (writer) => writeStamp(writer, 2))
    ],
    [
      'a write that says it is settled itself',
      () => encodeFrame(KIND.skip, 1, (writer) => writeStamp(writer, 1, 1))
    ],
    [
      'a sequence number beyond 2^53',
      () => encodeFrame(KIND.skip, 1, (writer) => writer.tail(Buffer.alloc(16, 0xff)))
    ]
  ])('is ended by %s, with the reason', async (_name, makeBytes) => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    client.send(makeBytes(client))
    await expectRefusal(client)
    await expectServing(daemon)
  })

  it.each(REQUESTS)('is ended by a truncated %s', async (name, needed, writeBody) => {
    const daemon = await pool.start()
    const body = bodyOf(writeBody)
    const lengths = Array.from({ length: needed === 'all' ? body.length : needed }, (_, n) => n)
    await Promise.all(
      lengths.map(async (length) => {
        const client = await RawClient.open(daemon.endpoint)
        client.send(encodeFrame(KIND[name], 1, (writer) => writer.tail(body.subarray(0, length))))
        await expectRefusal(client)
      })
    )
    await expectServing(daemon)
  })

  it.each(REQUESTS.filter(([, needed]) => needed === 'all'))(
    'is ended by a %s with a byte too many',
    async (name, _needed, writeBody) => {
      const daemon = await pool.start()
      const client = await RawClient.open(daemon.endpoint)
      client.send(encodeFrame(KIND[name], 1, (writer) => [writeBody(writer), writer.uint8(0)]))
      await expectRefusal(client)
      await expectServing(daemon)
    }
  )

  it('answers a write that repeats a number, and does not carry it out again', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    const put = (writer: FrameWriter, value: string): void => {
      writeStamp(writer, 1)
      writer.uint8(0)
      writer.bytes('key')
      writer.tail(value)
    }
    expect((await client.ask(KIND.put, (writer) => put(writer, 'first'))).kind).toBe(KIND.done)
    expect((await client.ask(KIND.put, (writer) => put(writer, 'second'))).kind).toBe(KIND.done)
    const answer = await client.ask(KIND.get, (writer) => {
      writer.uint8(0)
      writer.tail('key')
    })
    expect(answer.body.toString()).toBe('first')
  })

  it('answers unknown kinds with an error and goes on', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    const known = new Set<number>([
      KIND.settled,
      KIND.ping,
      KIND.status,
      ...REQUESTS.map(([name]) => KIND[name])
    ])
    for (let kind = 0; kind < 256; kind++) {
      if (known.has(kind)) continue
      const answer = await client.ask(kind, (writer) => writer.tail('whatever'))
      expect(answer.kind).toBe(KIND.error)
      expect(decodeObject(answer)['code']).toBe('PARTYD_INCOMPATIBLE')
    }
    await client.put('key', 'value')
    expect(await client.get('key')).toEqual(Buffer.from('value'))
    await expectServing(daemon)
  })

  it('is ended by anything that comes after settled', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    client.send(
      encodeFrame(KIND.settled, 0),
      encodeFrame(KIND.get, 1, (writer) => writer.uint8(0))
    )
    expect((await client.rest()).filter(({ kind }) => kind !== KIND.error)).toEqual([])
    await expectServing(daemon)
  })

  it('deletes nothing by a clear with limit 0', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    await client.put('a', '1')
    await client.put('b', '2')
    const answer = await client.ask(KIND.clear, (writer) => {
      client.stamp(writer)
      writer.uint8(0)
      writer.uint53(0)
      writer.uint8(0)
    })
    expect(answer.kind).toBe(KIND.done)
    expect(await client.get('a')).toEqual(Buffer.from('1'))
    expect(await client.get('b')).toEqual(Buffer.from('2'))
  })

  it('survives clients that die in the middle of a frame', async () => {
    const daemon = await pool.start()
    const frame = encodeFrame(KIND.put, 1, (writer) => {
      writeStamp(writer)
      writer.uint8(0)
      writer.bytes('dying')
      writer.tail(Buffer.alloc(200_000))
    })
    for (const length of [1, 3, 4, 8, 9, 25, 40, 100_000, frame.length - 1]) {
      const client = await RawClient.open(daemon.endpoint)
      client.socket.write(frame.subarray(0, length), () => client.socket.destroy())
      await client.closed
    }
    const witness = await RawClient.open(daemon.endpoint)
    expect(await witness.get('dying')).toBeUndefined()
    await expectServing(daemon)
  })

  it('has unknown kinds answered on a control connection too', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint, 'control')
    const answer = await client.ask(KIND.get, (writer) => writer.uint8(0))
    expect(answer.kind).toBe(KIND.error)
    expect(decodeObject(answer)['code']).toBe('PARTYD_INCOMPATIBLE')
    expect((await client.ask(KIND.ping)).kind).toBe(KIND.info)
    await expectServing(daemon)
  })
})

describe('random bytes', () => {
  const seed = Random.seed()

  it(`do not end the daemon as frames of a session (seed ${seed})`, async () => {
    console.log(`PARTYD_TEST_SEED=${seed}`)
    const random = new Random(seed)
    const daemon = await pool.start()
    for (let connection = 0; connection < 150; connection++) {
      await sendRandomFrames(daemon, random, 40)
    }
    await expectServing(daemon)
  })

  it(`do not end the daemon as a guest's frames (seed ${seed})`, async () => {
    const random = new Random(seed)
    const daemon = await pool.start()
    const witness = await RawClient.open(daemon.endpoint, 'control')
    for (let connection = 0; connection < 150; connection++) {
      await sendAndLeave(
        daemon,
        Array.from({ length: 40 }, () => randomGuestFrame(random))
      )
      await witness.ask(KIND.ping)
    }
    await expectServing(daemon)
  })

  it(`do not end the daemon when they are neither (seed ${seed})`, async () => {
    const random = new Random(seed)
    const daemon = await pool.start()
    await Promise.all(
      Array.from({ length: 200 }, () =>
        sendAndLeave(daemon, [random.bytes(random.below(2000) + 1)])
      )
    )
    await expectServing(daemon)
  })
})

async function sendAndLeave(daemon: DaemonProcess, parts: readonly Buffer[]): Promise<void> {
  const client = await RawSocket.connect(daemon.endpoint)
  client.end(Buffer.concat(parts))
  await client.closed
}

/** Frames that are nearly right. Either the session goes on, or it was ended with the reason. */
async function sendRandomFrames(
  daemon: DaemonProcess,
  random: Random,
  count: number
): Promise<void> {
  const client = await RawClient.open(daemon.endpoint)
  let sequence = 1
  for (let index = 0; index < count; index++) {
    const [name, , writeBody] = random.pick(REQUESTS)
    const kind = random.chance(0.05) ? random.below(256) : KIND[name]
    if (kind === KIND.settled) continue
    const body = Buffer.from(bodyOf(writeBody))
    if (kind >= KIND.put && kind <= KIND.atomic && body.length >= 16) {
      body.writeUInt32LE(sequence++)
    }
    const from = random.chance(0.9) ? 16 : 0
    for (let flips = random.below(4); flips > 0 && body.length > from; flips--) {
      body[from + random.below(body.length - from)] = random.below(256)
    }
    const length = random.chance(0.05) ? random.below(body.length + 1) : body.length
    client.send(encodeFrame(kind, index + 1, (writer) => writer.tail(body.subarray(0, length))))
  }
  const last = 0x7fff_ffff
  client.send(encodeFrame(KIND.get, last, (writer) => [writer.uint8(0), writer.tail('key')]))
  for (;;) {
    const frame = await client.next()
    expect(frame, 'the connection was closed without a reason').toBeDefined()
    if (frame?.id === last) break
    if (frame?.id !== 0 || frame.kind === KIND.changes) continue
    expect(frame.kind).toBe(KIND.error)
    expect(decodeObject(frame)['code']).toBe('PARTYD_PROTOCOL')
    expect(await client.next()).toBeUndefined()
    return
  }
  client.socket.destroy()
  await client.closed
}

/** A length, a tag of many-level's, and something like the fields of its messages. */
function randomGuestFrame(random: Random): Buffer {
  const fields: Buffer[] = []
  for (let count = random.below(6); count > 0; count--) {
    const field = random.below(9) + 1
    if (random.chance(0.5)) {
      fields.push(Buffer.from([field << 3, random.below(128)]))
    } else {
      const bytes = random.chance(0.5)
        ? random.bytes(random.below(20))
        : Buffer.from([1 << 3, 1, (2 << 3) | 2, 1, 0x61, 6 << 3, random.below(2)])
      fields.push(Buffer.from([(field << 3) | 2, bytes.length]), bytes)
    }
  }
  const body = Buffer.concat([Buffer.from([random.below(11)]), ...fields])
  return Buffer.concat([Buffer.from([Math.min(body.length, 127)]), body.subarray(0, 127)])
}

describe('a guest', () => {
  it('is dropped for an oversized frame', async () => {
    const daemon = await pool.start()
    // Lengths are varints: 2^32 - 1, and one that never ends.
    for (const bytes of [[0xff, 0xff, 0xff, 0xff, 0x0f], Array(32).fill(0x80)]) {
      const client = await RawSocket.connect(daemon.endpoint)
      client.write(Buffer.from(bytes))
      await client.closed
    }
    await expectServing(daemon)
  })
})

describe('the daemon’s memory', () => {
  /** What the daemon takes at most while a proper client makes this many round trips. */
  async function peakMegabytes(daemon: DaemonProcess, roundTrips: number): Promise<number> {
    const client = await RawClient.open(daemon.endpoint)
    let peak = 0
    for (let count = 0; count < roundTrips; count++) {
      await client.put('proper', 'value')
      peak = Math.max(peak, daemon.memoryMegabytes)
    }
    await client.settle()
    return peak
  }

  it('is bounded while a client asks for large values and never reads', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    await client.put('large', Buffer.alloc(1_000_000))
    const before = daemon.memoryMegabytes
    client.socket.pause()
    // A get may be carried out on the spot; a getMany always waits in the thread pool.
    const get = encodeFrame(KIND.get, 1, (writer) => [writer.uint8(0), writer.tail('large')])
    const getMany = encodeFrame(KIND.getMany, 2, (writer) => {
      writer.uint8(0)
      writer.uint32(1)
      writer.bytes('large')
    })
    client.send(...Array.from({ length: 2000 }, () => getMany))
    client.send(...Array.from({ length: 2000 }, () => get))
    const peak = await peakMegabytes(daemon, 500)
    console.log(`4,000 unread values of 1 MB: ${before.toFixed()} -> ${peak.toFixed()} MB`)
    expect(peak - before).toBeLessThan(700)
    client.socket.destroy()
    await expectServing(daemon)
  })

  it('is bounded while a client asks for entries and never reads', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    for (let index = 0; index < 400; index++) {
      await client.put(`key ${index}`, Buffer.alloc(100_000))
    }
    const before = daemon.memoryMegabytes
    client.socket.pause()
    const demands = Array.from({ length: 1000 }, (_, index) =>
      encodeFrame(KIND.iteratorOpen, index + 1, (writer) =>
        writeOpen(writer, index + 1, 0xffff_ffff, 0xffff_ffff)
      )
    )
    client.send(...demands)
    const peak = await peakMegabytes(daemon, 1000)
    console.log(`1,000 unread iterators over 40 MB: ${before.toFixed()} -> ${peak.toFixed()} MB`)
    expect(peak - before).toBeLessThan(300)
    client.socket.destroy()
    await expectServing(daemon)
  })

  it('is bounded while a client writes faster than the database', async () => {
    const daemon = await pool.start()
    const client = await RawClient.open(daemon.endpoint)
    const before = daemon.memoryMegabytes
    const value = Buffer.alloc(1_000_000)
    for (let sequence = 1; sequence <= 500; sequence++) {
      client.send(
        encodeFrame(KIND.put, sequence, (writer) => {
          writeStamp(writer, sequence)
          writer.uint8(0)
          writer.bytes('same')
          writer.tail(value)
        })
      )
    }
    const peak = await peakMegabytes(daemon, 50)
    console.log(`500 MB of writes: ${before.toFixed()} -> ${peak.toFixed()} MB`)
    expect(peak - before).toBeLessThan(400)
    client.socket.destroy()
    await expectServing(daemon)
  })

  it('is not spent on the claim of a large frame', async () => {
    const daemon = await pool.start()
    const before = daemon.memoryMegabytes
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => RawClient.open(daemon.endpoint))
    )
    for (const client of clients) client.send(rawLength(LIMITS.frameBytesMax))
    const peak = await peakMegabytes(daemon, 20)
    console.log(`20 claims of 256 MiB: ${before.toFixed()} -> ${peak.toFixed()} MB`)
    expect(peak - before).toBeLessThan(100)
    for (const client of clients) client.socket.destroy()
    await expectServing(daemon)
  })
})
