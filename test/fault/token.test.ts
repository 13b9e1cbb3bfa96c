// A location whose directory others can write to: they could listen in the daemon's place, or say
// hello to it. Both sides have to know the token, and nothing is said to one who does not.

import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { PartyLevel } from '@partyd/client'
import { connectGuest } from '@partyd/client/many-level'
import {
  ClientProof,
  currentPlatform,
  FrameReader,
  type Hello,
  KIND,
  locationFiles,
  PREFACE,
  ProofExchange,
  readToken,
  writeToken
} from '@partyd/shared'
import { ManyLevelGuest } from 'many-level'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command } from '../harness/command.js'
import { DAEMON_ENTRY, DaemonCommands } from '../harness/daemon-command.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { decodeObject, encodeFrame, encodeHello, RawClient } from '../harness/raw-client.js'
import { welcomeTo } from '../harness/valid-frames.js'

const clients = new Clients()
const commands = new DaemonCommands()
const locations = new Locations()
const servers: Server[] = []
const sockets: Socket[] = []
const guests: { close(): Promise<void> }[] = []

afterEach(async () => {
  await Promise.allSettled(guests.splice(0).map((guest) => guest.close()))
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
  await clients.end()
  await commands.reap()
  await locations.reap()
})

/** A location to which a whole group can write. */
function createOpen(): string {
  const location = locations.create()
  chmodSync(location, 0o770)
  return location
}

function endpointOf(location: string): string {
  return join(location, 'partyd.sock')
}

function tokenOf(location: string): Buffer {
  return readToken(location, currentPlatform())
}

function challenge(object: object): Buffer {
  return encodeFrame(KIND.challenge, 0, (writer) => writer.tail(JSON.stringify(object)))
}

/** Says the challenge, and a hello with the proof that is made of the answer. */
async function greet(
  location: string,
  client: ClientProof,
  prove: (answer: string) => string | undefined = (answer) => client.answer(answer)
): Promise<RawClient> {
  const raw = await RawClient.connect(endpointOf(location))
  raw.send(PREFACE, challenge(client.challenge))
  const frame = await raw.next()
  expect(frame?.kind).toBe(KIND.proof)
  raw.send(encodeHello('once', { proof: prove(String(frame?.body)) }))
  return raw
}

async function expectRefused(raw: RawClient, code = 'PARTYD_PERMISSION'): Promise<void> {
  const [frame, ...rest] = await raw.rest()
  expect(frame?.kind).toBe(KIND.error)
  expect(decodeObject(frame)).toMatchObject({ code })
  expect(rest).toEqual([])
}

async function statusOf(location: string): Promise<Record<string, unknown>> {
  const { stdout } = await new Command(process.execPath, [
    DAEMON_ENTRY,
    'status',
    location,
    '--json'
  ]).succeeded()
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('a location that others can write to', () => {
  it('is served to those who know its token, and to its commands', async () => {
    const location = createOpen()
    const { token } = locationFiles(location)
    const db = clients.open(location)
    await db.put('a', '1')
    expect(statSync(token).mode & 0o777).toBe(0o600)
    expect(readFileSync(token, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
    expect(await statusOf(location)).toMatchObject({ clients: 1, pid: publishedPid(location) })
    const ping = new Command(process.execPath, [DAEMON_ENTRY, 'ping', location])
    expect((await ping.succeeded()).stdout).toContain(`pid ${publishedPid(location)} answered`)
    await PartyLevel.stop(location)
    expect(existsSync(token)).toBe(false)
    expect(await db.get('a')).toBe('1')
    expect(existsSync(token)).toBe(true)
  })

  it('has a new token with each daemon, which clients find out by themselves', async () => {
    const location = createOpen()
    const db = clients.open(location)
    await db.put('a', '1')
    for (let round = 0; round < 3; round++) {
      const token = tokenOf(location)
      const pid = publishedPid(location) as number
      const puts = Array.from({ length: 100 }, (_, index) => db.put(`${round} ${index}`, 'x'))
      process.kill(pid, 'SIGKILL')
      await Promise.all(puts)
      expect(tokenOf(location)).not.toEqual(token)
    }
    expect(await db.keys().all()).toHaveLength(301)
  })

  it('keeps no token when it is destroyed', async () => {
    const location = createOpen()
    await clients.open(location, { idleTimeoutMs: Number.POSITIVE_INFINITY }).put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGKILL')
    await clients.end()
    writeFileSync(`${locationFiles(location).token}.tmp`, '')
    expect(existsSync(locationFiles(location).token)).toBe(true)
    await PartyLevel.destroy(location)
    expect(existsSync(location)).toBe(false)
  })

  it('serves guests, which can prove nothing: the mode of the socket keeps others out', async () => {
    const location = createOpen()
    await commands.serve(location)
    const socket = connectSocket(endpointOf(location))
    sockets.push(socket)
    const guest = new ManyLevelGuest<string, string>()
    guests.push(guest)
    pipeline(socket, guest.createRpcStream() as unknown as Duplex, socket, () => {})
    await guest.put('a', '1')
    const ours = connectGuest(location)
    guests.push(ours)
    expect(await ours.get('a')).toBe('1')
    expect(statSync(endpointOf(location)).mode & 0o777).toBe(0o600)
  })

  it('may become one, and be one no more, while it is served', async () => {
    const location = locations.create()
    await commands.serve(location, ['--fence-interval', '50'])
    const db = clients.open(location)
    await db.put('a', '1')
    const { token } = locationFiles(location)
    expect(existsSync(token)).toBe(false)
    chmodSync(location, 0o770)
    await until(() => existsSync(token), 'the token')
    await clients.open(location).put('b', '2')
    await expectRefused(await sayHello(location))
    chmodSync(location, 0o700)
    expect(await clients.open(location).getMany(['a', 'b'])).toEqual(['1', '2'])
    const raw = await RawClient.open(endpointOf(location))
    expect(await raw.get('a')).toEqual(Buffer.from('1'))
    await raw.settle()
  })
})

async function sayHello(location: string, fields: object = {}): Promise<RawClient> {
  const raw = await RawClient.connect(endpointOf(location))
  raw.send(PREFACE, encodeHello('once', fields))
  return raw
}

// 31
describe('a client that does not know the token', () => {
  it('is dropped, is no client, and harms nobody', async () => {
    const location = createOpen()
    await commands.serve(location)
    const db = clients.open(location)
    await db.put('a', '1')
    const strangers = [
      await sayHello(location),
      await sayHello(location, { proof: '0'.repeat(64) }),
      await greet(location, new ClientProof(tokenOf(location)), () => undefined),
      await greet(location, new ClientProof(tokenOf(location)), () => 'no proof'),
      await greet(location, new ClientProof(tokenOf(location)), (answer) => {
        return (JSON.parse(answer) as { proof: string }).proof
      }),
      await greet(location, new ClientProof(tokenOf(location)), () => {
        return new ClientProof(Buffer.alloc(32)).challenge.nonce
      })
    ]
    for (const raw of strangers) await expectRefused(raw)
    for (const text of ['{}', '', '{"nonce":"00"}']) {
      const raw = await RawClient.connect(endpointOf(location))
      raw.send(
        PREFACE,
        encodeFrame(KIND.challenge, 0, (writer) => writer.tail(text))
      )
      await expectRefused(raw, 'PARTYD_PROTOCOL')
    }
    const twice = await RawClient.connect(endpointOf(location))
    const { challenge: first } = new ClientProof(tokenOf(location))
    twice.send(PREFACE, challenge(first), challenge(first))
    expect((await twice.next())?.kind).toBe(KIND.proof)
    await expectRefused(twice, 'PARTYD_PROTOCOL')
    expect(await statusOf(location)).toMatchObject({ clients: 1 })
    expect(await db.get('a')).toBe('1')
  })

  it('has 10 s to say hello, whatever else it says', { timeout: 30_000 }, async () => {
    const location = createOpen()
    await commands.serve(location)
    const startedAt = performance.now()
    const raw = await RawClient.connect(endpointOf(location))
    raw.send(PREFACE, challenge(new ClientProof(tokenOf(location)).challenge))
    expect((await raw.next())?.kind).toBe(KIND.proof)
    expect(await statusOf(location)).toMatchObject({ clients: 0 })
    await raw.closed
    expect(performance.now() - startedAt).toBeLessThan(12_000)
    await clients.open(location, { autospawn: false }).put('a', '1')
  })

  it('cannot use again what a client that does has said', async () => {
    const location = createOpen()
    await commands.serve(location)
    const client = new ClientProof(tokenOf(location))
    let proof: string | undefined
    const first = await greet(location, client, (answer) => {
      proof = client.answer(answer)
      return proof
    })
    expect((await first.next())?.kind).toBe(KIND.welcome)
    await first.put('a', '1')
    expect(proof).toMatch(/^[0-9a-f]{64}$/)
    await expectRefused(await greet(location, client, () => proof))
    await expectRefused(await sayHello(location, { proof }))
    await first.settle()
  })
})

type Answer = (frame: { kind: number; text: string }, say: Say) => void
type Say = (kind: number, value: object) => void

interface Squatter {
  /** Everything that clients have sent. */
  readonly heard: Buffer[]
  connections: number
}

/** Listens where the daemon would, as somebody who cannot read the token. */
async function squat(location: string, answer: Answer): Promise<Squatter> {
  const squatter: Squatter = { heard: [], connections: 0 }
  const server = createServer((socket) => {
    squatter.connections++
    sockets.push(socket)
    const reader = new FrameReader()
    let skip = PREFACE.length
    socket.on('error', () => {})
    socket.write(PREFACE)
    socket.on('data', (data) => {
      squatter.heard.push(data)
      reader.append(data.subarray(skip))
      skip = 0
      while (reader.next()) {
        answer({ kind: reader.kind, text: reader.tailText() }, (kind, value) => {
          socket.write(encodeFrame(kind, 0, (writer) => writer.tail(JSON.stringify(value))))
        })
      }
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(endpointOf(location), resolve))
  return squatter
}

const HEX = '0'.repeat(64)

const LIES: [name: string, answer: Answer][] = [
  ['a welcome', ({ text }, say) => say(KIND.welcome, welcomeTo(JSON.parse(text) as Hello))],
  ['no proof', (_, say) => say(KIND.proof, {})],
  ['a proof of nothing', (_, say) => say(KIND.proof, { nonce: HEX, proof: HEX })],
  [
    'the client’s own nonce',
    ({ text }, say) => {
      const { nonce } = JSON.parse(text) as { nonce: string }
      say(KIND.proof, { nonce, proof: nonce })
    }
  ],
  [
    'a proof by another token',
    ({ text }, say) => say(KIND.proof, new ProofExchange(Buffer.alloc(32), text).answer)
  ],
  [
    'an error of its own making',
    (_, say) => say(KIND.error, { code: 'LEVEL_CORRUPTION', message: 'delete it all' })
  ]
]

// 47
describe('somebody who listens in the place of the daemon and answers with', () => {
  it.each(LIES)('%s gets no data', async (_, answer) => {
    const location = createOpen()
    writeToken(location)
    const squatter = await squat(location, answer)
    const db = clients.open(location, { retryTimeoutMs: 5_000 })
    const error = await db.put('secret', 'secret').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'PARTYD_PERMISSION', endpoint: endpointOf(location) }
    })
    expectOnlyChallenges(squatter)
    expect(publishedPid(location)).toBe(undefined)
  })

  it('the answer that a daemon gave to somebody else gets none, either', async () => {
    const location = createOpen()
    const daemon = await commands.serve(location)
    const raw = await RawClient.connect(endpointOf(location))
    raw.send(PREFACE, challenge(new ClientProof(tokenOf(location)).challenge))
    const recorded = decodeObject(await raw.next())
    // The daemon is killed, and whoever has listened in takes its place.
    daemon.child.kill('SIGKILL')
    await daemon.ended
    rmSync(endpointOf(location))
    const squatter = await squat(location, (_, say) => say(KIND.proof, recorded))
    const error = await clients
      .open(location)
      .put('secret', 'secret')
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ cause: { code: 'PARTYD_PERMISSION' } })
    expectOnlyChallenges(squatter)
  })

  it('nothing that is to be believed, while there is no token, hears nothing', async () => {
    const location = createOpen()
    const squatter = await squat(location, () => {})
    const startedAt = performance.now()
    const error = await clients
      .open(location)
      .put('secret', 'secret')
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      cause: { code: 'PARTYD_PERMISSION', path: locationFiles(location).token }
    })
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(squatter.connections).toBeGreaterThan(0)
    expect(squatter.heard).toEqual([])
  })

  it('whatever it likes is pushed aside by a daemon that is started', async () => {
    const location = createOpen()
    writeToken(location)
    const squatter = await squat(location, (_, say) => say(KIND.proof, { nonce: HEX, proof: HEX }))
    await commands.serve(location)
    expect(squatter.connections).toBeGreaterThan(0)
    await clients.open(location, { autospawn: false }).put('secret', 'secret')
    expectOnlyChallenges(squatter)
  })

  it('a proof, which it had from the daemon’s own clients, has lost when they come again', async () => {
    const location = createOpen()
    const db = clients.open(location, { retryTimeoutMs: 4_000 })
    await db.put('a', '1')
    const pid = publishedPid(location) as number
    const endpoint = endpointOf(location)
    rmSync(endpoint)
    const squatter = await squat(location, (_, say) => say(KIND.proof, { nonce: HEX, proof: HEX }))
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid), 'the end of the daemon')
    const error = await db.put('secret', 'secret').catch((reason: unknown) => reason)
    expect((error as Error).cause ?? error).toMatchObject({ code: 'PARTYD_PERMISSION' })
    expectOnlyChallenges(squatter)
  })
})

/** A preface and a random number on each connection, and nothing else. */
function expectOnlyChallenges({ heard }: Squatter): void {
  expect(heard.length).toBeGreaterThan(0)
  for (const bytes of heard) {
    expect(bytes.subarray(0, PREFACE.length)).toEqual(PREFACE)
    const reader = new FrameReader()
    reader.append(bytes.subarray(PREFACE.length))
    expect(reader.next()).toBe(true)
    expect(reader.kind).toBe(KIND.challenge)
    expect(reader.tailText()).toMatch(/^\{"nonce":"[0-9a-f]{64}"\}$/)
    expect(reader.next()).toBe(false)
  }
}
