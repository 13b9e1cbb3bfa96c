// A client against something that listens at the endpoint and speaks wrongly: every operation fails
// with a typed error, and nothing hangs, crashes or fills the memory.

import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { type Hello, KIND, PREFACE } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonCommands } from '../harness/daemon-command.js'
import { Locations } from '../harness/locations.js'
import { Random } from '../harness/random.js'
import { encodeFrame } from '../harness/raw-client.js'
import { welcomeTo } from '../harness/valid-frames.js'

const commands = new DaemonCommands()
const locations = new Locations()
const servers: Server[] = []
const sockets: Socket[] = []
const databases: PartyLevel[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
  await Promise.all(databases.splice(0).map((db) => db.close()))
  await commands.reap()
  await locations.reap()
})

type Lie = (socket: Socket, hello: Hello) => void

/** Listens where a daemon would, and lies as soon as it has heard a hello. */
async function listen(lie: Lie): Promise<string> {
  const location = locations.create()
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {}) // The client closes on a liar, in the middle of its words.
    socket.once('data', (data) => {
      const text = data.subarray(PREFACE.length + 9).toString()
      lie(socket, JSON.parse(text) as Hello)
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(join(location, 'partyd.sock'), resolve))
  return location
}

function open(location: string, retry = true): PartyLevel {
  const options = { retry, autospawn: false, connectTimeoutMs: 500, retryTimeoutMs: 1_000 }
  const db = new PartyLevel(location, options)
  databases.push(db)
  return db
}

/** Says a proper welcome, and then what it is given. */
function sayWelcome(socket: Socket, hello: Hello): void {
  const text = JSON.stringify(welcomeTo(hello))
  socket.write(Buffer.concat([PREFACE, encodeFrame(KIND.welcome, 0, (frame) => frame.tail(text))]))
}

const BROKEN_HELLOS: [name: string, bytes: (hello: Hello) => Buffer][] = [
  ['nothing but another preface', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['a welcome to somebody else', (hello) => jsonFrame({ ...welcomeTo(hello), nonce: 'other' })],
  ['a welcome without a pid', (hello) => jsonFrame({ ...welcomeTo(hello), pid: undefined })],
  ['a welcome that is no JSON', () => frame(KIND.welcome, '{')],
  ['an answer of another kind', () => frame(KIND.done, '')],
  ['a frame of 4 GB', () => Buffer.concat([PREFACE, Buffer.alloc(4, 0xff)])],
  ['a frame of no length', () => Buffer.concat([PREFACE, Buffer.alloc(9)])],
  ['an unknown protocol', (hello) => jsonFrame({ ...welcomeTo(hello), proto: 9 })]
]

function jsonFrame(value: object): Buffer {
  return frame(KIND.welcome, JSON.stringify(value))
}

function frame(kind: number, text: string): Buffer {
  return Buffer.concat([PREFACE, encodeFrame(kind, 0, (writer) => writer.tail(text))])
}

describe('a daemon that answers the hello with', () => {
  it.each(BROKEN_HELLOS)('%s is not connected to', async (_name, bytes) => {
    const location = await listen((socket, hello) => socket.write(bytes(hello)))
    const error = await open(location)
      .open()
      .catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    expect((error as Error).cause).toMatchObject({ code: expect.stringMatching(/^PARTYD_/) })
  })
})

const LIES: [name: string, say: (socket: Socket) => void][] = [
  [
    'an answer that nobody asked for',
    (socket) => socket.write(encodeFrame(KIND.done, 77, () => {}))
  ],
  ['a value for every id', (socket) => sayToAll(socket, KIND.value)],
  ['entries that are none', (socket) => sayToAll(socket, KIND.entries)],
  ['values of which there are 2^32', (socket) => sayValues(socket)],
  ['an unasked frame', (socket) => socket.write(encodeFrame(KIND.info, 0, () => {}))],
  ['an error that is no JSON', (socket) => sayToAll(socket, KIND.error)],
  ['a frame of 4 GB', (socket) => socket.write(Buffer.alloc(64, 0xff))]
]

function sayToAll(socket: Socket, kind: number): void {
  for (let id = 1; id < 10; id++) {
    socket.write(encodeFrame(kind, id, (writer) => writer.tail('some text')))
  }
}

function sayValues(socket: Socket): void {
  for (let id = 1; id < 10; id++) {
    socket.write(
      encodeFrame(KIND.values, id, (writer) => {
        writer.uint8(0)
        writer.uint32(0xffff_ffff)
      })
    )
  }
}

describe.each([true, false])('with retry: %s, a daemon that answers operations with', (retry) => {
  it.each(LIES)('%s has them fail', async (_name, say) => {
    const location = await listen((socket, hello) => {
      sayWelcome(socket, hello)
      socket.on('data', () => say(socket))
    })
    const db = open(location, retry)
    await db.open()
    const results = await Promise.allSettled([
      db.put('key', 'value'),
      db.getMany(['key']),
      db.has('key'),
      db.iterator().next()
    ])
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: expect.stringMatching(/^(PARTYD|LEVEL)_/) }
      })
    }
  })
})

describe('a daemon that answers at random', () => {
  it('ends no client', async () => {
    const seed = Random.seed()
    console.log(`seed ${seed}`)
    const random = new Random(seed)
    for (let round = 0; round < 20; round++) {
      const location = await listen((socket, hello) => {
        sayWelcome(socket, hello)
        socket.on('data', () => {
          const kind = random.pick(Object.values(KIND))
          const body = random.bytes(random.below(40))
          const id = random.below(6)
          socket.write(encodeFrame(kind, id, (writer) => writer.tail(body)))
        })
      })
      const db = open(location)
      await db.open()
      const operations = [db.put('a', 'b'), db.get('a'), db.getMany(['a', 'b']), db.clear()]
      const settled = await Promise.allSettled([...operations, db.iterator().all()])
      expect(settled).toHaveLength(5)
    }
  }, 60_000)
})

describe('a daemon that answers nonsense', () => {
  /** Listens as a daemon that a client has started, which others may ask to leave. */
  async function listenToQuestions(): Promise<string> {
    return await listen((socket, hello) => {
      sayWelcome(socket, hello)
      socket.once('data', () => {
        socket.write(encodeFrame(KIND.info, 1, (writer) => writer.tail('{')))
        for (const server of servers) server.close()
      })
    })
  }

  it('to a question is said to', async () => {
    const { code, stderr } = await commands.ask(['status', await listenToQuestions()])
    expect(code).not.toBe(0)
    expect(stderr).toContain('is not JSON')
  })

  it('when it is asked to leave does not end the one that takes over', async () => {
    const location = await listenToQuestions()
    const { pid } = await commands.serve(location)
    expect(await open(location).info()).toMatchObject({ pid })
  })
})
